"""An open index once more, by a connection of its own: for long reading that keeps no question waiting.

An open index enters; another one of the same file and model leaves, or an error where that file does not lie
at its path any more. What is read is the callers' business.
"""

from __future__ import annotations

from lookalike.indexing.index import Index


def own_connection(index: Index) -> Index:
    """Open the file of an index again; the caller closes it.

    Raises:
        ReplacedError: it was moved or deleted, or another file lies at its path.
        StoreError: it cannot be opened any more.
    """
    index.store.check_in_place()
    own = Index.open(index.path, model=index.model)
    try:
        index.store.check_in_place()  # so that it is this file that was opened between the two looks
    except BaseException:
        own.close()
        raise
    return own
