"""Errors that a caller may meet: from settings, from reading, from the command line. Training meets none of them."""


class ReticentError(Exception):
    """Base of all errors that Reticent raises on purpose."""


class SettingsError(ReticentError):
    """A setting is unknown or has a value that is not allowed."""


class RunNotFoundError(ReticentError):
    """No run with this id is in the root."""


class FilterError(ReticentError):
    """A filter or order clause of `search_runs` cannot be understood."""


class StoreError(ReticentError):
    """The embedded store cannot be used; `reticent reindex` rebuilds it from the run logs."""


class MissingExtraError(ReticentError):
    """A package is needed that is not installed; the message names the extra that brings it."""


class NothingPredictsError(ReticentError):
    """A model has no method that gives anything for other data, as a clustering that knows its own rows alone."""


class NotDefinedError(ReticentError):
    """A model is made of a class that is defined nowhere in this process: what defines it has to be imported first."""


class BundleError(ReticentError):
    """Runs cannot be exported to a bundle, or one cannot be imported; nothing of it was taken then."""


class SourceError(ReticentError):
    """Where runs are to be imported from cannot be read."""
