"""How the kernels start that run the pages, and what they find around them.

* `surroundings`: the known environment of a kernel, whatever the caller's is
* `server`: a process that has imported TensorFlow; each warm kernel is a fork of it
* `start`: kernels, warm or cold, for the engine
* `inside`: loaded into each kernel, so that text printed by C code is seen in its place
"""
