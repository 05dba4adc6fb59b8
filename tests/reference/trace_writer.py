"""Records a PyTorch Gemma while it runs and writes the trace file that the C++ program compares with.

Shared by official_gemma.py and transformers_gemma.py: the names and shapes of a trace, and the hooks for what both
models call by the same name. Letters: T tokens, D hidden size, H query heads, K key/value heads, d head
dimension, F feed-forward size, V vocabulary, L layers. Here S = T: the whole prompt in one pass.
"""

import contextlib
import fnmatch
import os

import torch
from torch.nn import functional

import safetensors_file
from command_line import CommandError

FORMAT_VERSION = "1"
UNKNOWN_VERSION = "this version of the model's code is not one that this program knows"


# ---- names and shapes ----------------------------------------------------------------------------------------------

def expected_trace(config, token_count):
    """{name: shape} of a complete trace, in the order of the forward pass: the table in README.md."""
    T, D, F, V = token_count, config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    H, K, d = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    trace = {"model.embed_tokens": (T, D), "model.embed_scaled": (T, D)}

    def norm(name):
        trace.update({f"{name}.mean_square": (T,), f"{name}.normalized": (T, D), name: (T, D)})

    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        attention, mlp = f"{layer}.self_attn", f"{layer}.mlp"
        norm(f"{layer}.input_layernorm")
        trace.update({f"{attention}.q_proj": (T, H, d), f"{attention}.k_proj": (T, K, d),
                      f"{attention}.v_proj": (T, K, d),
                      f"{attention}.q_rope": (T, H, d), f"{attention}.k_rope": (T, K, d),
                      f"{attention}.scores": (H, T, T), f"{attention}.probs": (H, T, T),
                      f"{attention}.context": (T, H, d), f"{attention}.o_proj": (T, D),
                      f"{layer}.residual_attn": (T, D)})
        norm(f"{layer}.post_attention_layernorm")
        trace.update({f"{mlp}.gate_proj": (T, F), f"{mlp}.act_fn": (T, F), f"{mlp}.up_proj": (T, F),
                      f"{mlp}.gated": (T, F), f"{mlp}.down_proj": (T, D), layer: (T, D)})
    norm("model.norm")
    trace["lm_head"] = (T, V)
    return trace


# ---- recording -----------------------------------------------------------------------------------------------------

class Recorder:
    """Keeps float32 copies of the tensors whose names are asked for, and knows in which module the model is now."""

    def __init__(self, config, tokens, globs=("*",)):
        self.tokens = tokens
        self.shapes = expected_trace(config, len(tokens))
        self.wanted = {name for name in self.shapes if any(fnmatch.fnmatchcase(name, glob) for glob in globs)}
        self.values = {}
        self.scopes = []
        if not self.wanted:
            raise CommandError(f"--names {' '.join(globs)}: no tensor of the trace matches")

    def record(self, name, tensor):
        """Copies a tensor at once (PyTorch code may change it in place later), in the shape of the table."""
        if name not in self.wanted:
            return
        if name in self.values:
            raise CommandError(f"{name} came twice in one forward pass; {UNKNOWN_VERSION}")
        self.values[name] = tensor.detach().to("cpu", torch.float32, copy=True).reshape(self.shapes[name])

    def correct(self, name, tensor):
        """Replaces what was recorded under a name."""
        self.values.pop(name, None)
        self.record(name, tensor)

    @property
    def scope(self):
        """The dotted name of the innermost module that is running, "" outside of all that are watched."""
        return self.scopes[-1] if self.scopes else ""

    def save(self, path, prompt, model, precision, producer):
        """Writes the trace file, `tokens` first and then the order of the forward pass."""
        missing = [name for name in self.shapes if name in self.wanted and name not in self.values]
        if missing:
            raise CommandError(f"the model ran without {', '.join(missing)}; {UNKNOWN_VERSION}")
        tensors = {"tokens": torch.tensor(self.tokens, dtype=torch.int64)}
        tensors.update({name: self.values[name] for name in self.shapes if name in self.values})
        metadata = {"format_version": FORMAT_VERSION, "model": model, "precision": precision, "producer": producer,
                    "prompt": prompt}
        safetensors_file.save(path, tensors, metadata)


def model_name(directory):
    """What the trace calls the model: the last part of the directory's path."""
    return os.path.basename(os.path.abspath(directory))


@contextlib.contextmanager
def running(dtype):
    """Around a forward pass: no gradients, and one line where PyTorch lacks an operation for the type."""
    try:
        with torch.no_grad():
            yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CommandError(f"PyTorch {torch.__version__} cannot run this model in {dtype} here: {reason}") from None


@contextlib.contextmanager
def replaced(owner, name, make):
    """While the block runs, owner.name is make(original): how a function that a model calls by that name is watched."""
    own = name in vars(owner)
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def watch_function(stack, recorder, name, owner, function):
    """Records what owner.function returns; "{scope}" in the name stands for the module that is running then."""
    def watched(original):
        def call(*inputs, **keywords):
            result = original(*inputs, **keywords)
            recorder.record(name.format(scope=recorder.scope), result)
            return result
        return call
    stack.enter_context(replaced(owner, function, watched))


def watch_modules(stack, recorder, model):
    """Enters into `stack` the hooks for all that has the same name in both models: embedding, norms, sums, MLP, output.

    `model.model` is the decoder stack: layers with input_layernorm, self_attn.o_proj, post_attention_layernorm and
    mlp.{gate,up,down}_proj, and a final norm.
    """
    decoder = model.model
    watch_function(stack, recorder, "model.embed_tokens", functional, "embedding")
    # Tensor.mean is called in the norms only, of the squares: the model's own mean square, before eps is added.
    watch_function(stack, recorder, "{scope}.mean_square", torch.Tensor, "mean")
    _watch_input(stack, recorder, "model.embed_scaled", decoder.layers[0].input_layernorm)
    for i, layer in enumerate(decoder.layers):
        name = f"model.layers.{i}"
        _watch_norm(stack, recorder, f"{name}.input_layernorm", layer.input_layernorm)
        _watch_scope(stack, recorder, f"{name}.self_attn", layer.self_attn)
        _watch_input(stack, recorder, f"{name}.self_attn.context", layer.self_attn.o_proj)
        watch_output(stack, recorder, f"{name}.self_attn.o_proj", layer.self_attn.o_proj)
        _watch_input(stack, recorder, f"{name}.residual_attn", layer.post_attention_layernorm)
        _watch_norm(stack, recorder, f"{name}.post_attention_layernorm", layer.post_attention_layernorm)
        _watch_scope(stack, recorder, f"{name}.mlp", layer.mlp)
        watch_output(stack, recorder, f"{name}.mlp.gate_proj", layer.mlp.gate_proj)
        watch_output(stack, recorder, f"{name}.mlp.up_proj", layer.mlp.up_proj)
        _watch_input(stack, recorder, f"{name}.mlp.gated", layer.mlp.down_proj)
        watch_output(stack, recorder, f"{name}.mlp.down_proj", layer.mlp.down_proj)
        watch_output(stack, recorder, name, layer)
    _watch_norm(stack, recorder, "model.norm", decoder.norm)


def watch_output(stack, recorder, name, module):
    """Records what a module returns (the first part, where it returns several)."""
    def hook(_module, _inputs, output):
        recorder.record(name, output[0] if isinstance(output, tuple) else output)
    _enter_hook(stack, module.register_forward_hook(hook))


def _watch_input(stack, recorder, name, module):
    """Records a module's first argument: the one place where a sum or a product, which is no module, can be seen."""
    _enter_hook(stack, module.register_forward_pre_hook(lambda _module, inputs: recorder.record(name, inputs[0])))


def _watch_norm(stack, recorder, name, module):
    """Records an RMSNorm's output, and the parts of it: what its _norm returns, and the mean that it divides by."""
    watch_output(stack, recorder, name, module)
    _watch_scope(stack, recorder, name, module)
    watch_function(stack, recorder, f"{name}.normalized", module, "_norm")


def _watch_scope(stack, recorder, name, module):
    """While the module runs, recorder.scope is its name."""
    def scoped(forward):
        def call(*inputs, **keywords):
            recorder.scopes.append(name)
            try:
                return forward(*inputs, **keywords)
            finally:
                recorder.scopes.pop()
        return call
    stack.enter_context(replaced(module, "forward", scoped))


def _enter_hook(stack, handle):
    stack.callback(handle.remove)


def watch_attention(stack, recorder):
    """Records scores and probs: the result of an attention's first matmul, Q Kᵀ, and the left side of its second.

    Some versions of the models scale the queries beforehand, others multiply Q Kᵀ by d^-1/2 or divide it by sqrt(d):
    where that very tensor is multiplied or divided before the second matmul, the scores are what comes of it.
    """
    unscaled = {}  # scope of an attention that is between its two products: Q Kᵀ

    def watched_matmul(matmul):
        def call(left, right, *inputs, **keywords):
            result = matmul(left, right, *inputs, **keywords)
            scope = recorder.scope
            if scope in unscaled:
                recorder.record(f"{scope}.probs", left)
                del unscaled[scope]
            elif scope.endswith(".self_attn"):
                recorder.record(f"{scope}.scores", result)
                unscaled[scope] = result
            return result
        return call

    def watched_operator(operator):
        def call(left, right):
            result = operator(left, right)
            if left is unscaled.get(recorder.scope):
                recorder.correct(f"{recorder.scope}.scores", result)
            return result
        return call

    stack.enter_context(replaced(torch, "matmul", watched_matmul))
    stack.enter_context(replaced(torch.Tensor, "__mul__", watched_operator))
    stack.enter_context(replaced(torch.Tensor, "__truediv__", watched_operator))
