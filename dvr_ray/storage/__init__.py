"""Data and results on any storage that pyarrow knows: s3://, gs://, abfs://, hdfs://, file://.

Everything else in the package reads and writes local folders. What is read (data, finished runs)
is fetched into the cache, once for a machine and a state of the storage (`fetched`). What is
written is written to a working folder of this machine and copied to the storage as it appears
(`Mirror`, `Upload`): files first, those that say that something is whole last, so that what lies
there can be gone on with on any machine, whenever the copying was cut short.
"""

from dvr_ray.storage.address import Storage, check_address, is_address
from dvr_ray.storage.fetching import fetched
from dvr_ray.storage.mirror import Mirror
from dvr_ray.storage.upload import Upload

__all__ = ["Mirror", "Storage", "Upload", "check_address", "fetched", "is_address"]
