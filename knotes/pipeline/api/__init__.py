"""Which of Keras' public API a reader of the book can see working, measured by execution.

* `inventory`: what the installed Keras offers, read from its own namespaces
* `uses`: what the code of a page calls, noted in the kernel while the page runs
* `coverage`: the one compared with the other; ``make coverage``
"""
