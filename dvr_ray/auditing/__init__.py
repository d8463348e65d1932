"""The audit of a user's own log: plant noise, train, judge the values, list the lowest."""

from dvr_ray.auditing.audit import AuditRequest, audit
from dvr_ray.auditing.setting import Setting, setting

__all__ = ["AuditRequest", "Setting", "audit", "setting"]
