"""What every recording and verification observes: which of Keras' API the cells use."""

from knotes.pipeline.api import uses
from knotes.pipeline.engine import Observer

TRACING = Observer("uses", uses.__name__, uses.REPORT)
