"""Recommenders that DVR trains; one file per backbone."""

from dvr_ray.backbones.backbone import BACKBONES, Backbone, TripletOutput

__all__ = ["BACKBONES", "Backbone", "TripletOutput"]
