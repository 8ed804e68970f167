"""Opens networks with onnxruntime: on one thread, with one arena of memory that a job gives back.

Within a run, tensors of several MiB come and go by the hundred. From malloc, which returns each of
them to the system (ocr.py), the kernel clears every page anew: 240 ms of processor time for finding
lines at 640 x 640, against 80 to 115 from an arena. An arena that stays holds 100 MB for good. This
one is shared by all networks, grows by what is asked for, and a job ends with `shrink_arena`.

256,000 weights of the text detector are subnormal numbers (below 1.2e-38), with which some
processors calculate fifty times slower: 361 ms instead of 107 for finding lines at 640 x 640, with
the same output. They count as 0.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.vision.networks.onnx_writer import OnnxGraph

_SAME_AS_REQUESTED = 1
"""OrtArenaCfg: the arena grows by what is asked for, instead of to powers of two."""
_DEFAULT = -1


class OnnxSession:
    """A network. It has the part of onnxruntime's InferenceSession that RapidOCR uses."""

    def __init__(self, model: bytes | Path) -> None:
        import onnxruntime  # heavy, optional, and only used in the child process

        _register_arena()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=["CPUExecutionProvider"],
        )

    def run(
        self,
        outputs: Sequence[str] | None,
        inputs: Mapping[str, NDArray[np.float32]],
        options: Any = None,  # noqa: ANN401 - onnxruntime has no types
    ) -> list[Any]:
        """The values of these outputs, or of all of them."""
        values: list[Any] = self._session.run(outputs, inputs, options)
        return values

    def get_inputs(self) -> list[Any]:
        """The inputs, each with its name."""
        return list(self._session.get_inputs())

    def get_outputs(self) -> list[Any]:
        """The outputs, each with its name."""
        return list(self._session.get_outputs())

    def get_modelmeta(self) -> Any:  # noqa: ANN401 - onnxruntime has no types
        """What the model's file says about it."""
        return self._session.get_modelmeta()


def round_subnormals_to_zero() -> None:
    """In this thread, from here on. Call it before another library opens a session.

    onnxruntime does it for the first session of a process, and never again.
    """
    _open_shrinking_session()


def shrink_arena() -> None:
    """Gives the memory of the last runs back to the system."""
    session, options = _open_shrinking_session()
    session.run(None, {"value": np.zeros(1, np.float32)}, options)


@functools.cache
def _open_shrinking_session() -> tuple[OnnxSession, Any]:
    """A network that does nothing, and the options with which a run shrinks the arena after it."""
    import onnxruntime

    graph = OnnxGraph("nothing")
    graph.add_output(graph.add("Identity", [graph.add_input("value", (1,))]), (1,))
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return OnnxSession(graph.to_bytes()), options


@functools.cache
def _register_arena() -> None:
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg(
        {
            "max_mem": 0,
            "arena_extend_strategy": _SAME_AS_REQUESTED,
            "initial_chunk_size_bytes": _DEFAULT,
            "max_dead_bytes_per_chunk": _DEFAULT,
        }
    )
    onnxruntime.create_and_register_allocator(memory, arena)
