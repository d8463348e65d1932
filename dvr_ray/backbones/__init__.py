"""Recommenders that DVR trains; one file per backbone."""

from dvr_ray.backbones.backbone import BACKBONES, Backbone, Tables, TripletOutput

__all__ = ["BACKBONES", "Backbone", "Tables", "TripletOutput"]
