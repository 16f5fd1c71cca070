"""Static files with a hash of their content in the name, and a gzip twin of each."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Modules import each other by their hashed names, so that no browser mixes two releases."""

    support_js_module_import_aggregation = True
