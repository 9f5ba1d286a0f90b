"""Which of Keras' public API a reader of the book can see working, measured by execution.

What there is:

* `inventory`: the symbols of the API as data, saved in ``api/inventory.json``
* `installed`: the inventory of the installed Keras, read from its namespaces (`public`) and
  constructors (`signatures`)

What pages use of it, noted in the kernel while they run:

* `uses`: the extension of the kernel; it rewrites cells (`marking`) so that their calls are
  recognized (`targets`) and noted (`recorder`), with the arguments that count (`defaults`)
* `notes`: the notes in stored notebooks, written and compared

The one against the other:

* `coverage`: what all pages exercise, summed up (`totals`) and told (`report`); what their labels
  promise (`claims`)
* `exercised`: the last result, a file for each page in ``api/exercised``, and what is less now
* ``python -m knotes.pipeline.api`` (``make coverage``)
"""


class ApiError(Exception):
    """Notes or a saved file that cannot be used; the message names it."""
