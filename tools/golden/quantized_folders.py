# SPDX-License-Identifier: Apache-2.0
"""Writes quantized model folders with the weights and logits that they stand for: Tests/Fixtures/quantized.

One random Llama of one layer is a folder whose matrices are files of their own (FOLDERS/quantized); each scheme replaces some of
them by one file, NAME.safetensors, and says in NAME.json what goes into config.json and into the index, and the SHA-256 of every decoded
matrix as Float32. NAME.logits.bin are logits by transformers in Float64 of the decoded weights.

Codes and decoded weights are by independent implementations: MLX's quantize and dequantize (with scales as Float32), GPTQModel's
pack_cols, unpack_rows and unpack_cols, AutoAWQ's dequantize_gemm, compress and decompress of compressed-tensors (of version 0.9 for
weight_g_idx and zero points as bytes), transformers' Fp8Dequantize and PyTorch's float8_e4m3fn. Needs transformers, torch, mlx[cpu],
compressed-tensors, the source distributions of gptqmodel and autoawq, unpacked, and compressed-tensors 0.9 in a folder of its own.
"""
import argparse
import ast
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import mlx.core as mx
import numpy as np
import torch
import transformers
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import load_file, save_file
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

from hf_random import COMMON, fill

LAYER = "model.layers.0."
QUERY, KEY, DOWN = (LAYER + name for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"))
EMBEDDING = "model.embed_tokens"
MODULES = [QUERY, KEY, DOWN]
HALF, BRAIN = torch.float16, torch.bfloat16
POSITIONS = [7, 47]


def functions(path: pathlib.Path, names: list[str], **given) -> dict:
    """Functions and constants of a source file, without what else it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names or (
        isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names)]
    space = {"torch": torch} | given
    exec(compile(tree, str(path), "exec"), space)
    return space


def parts(module: str, **tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"{module}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


class Schemes:
    """Each method returns members of config.json, the stored tensors, and the decoded weights by module."""

    def __init__(self, weights: dict[str, torch.Tensor], options: argparse.Namespace):
        self.weights = weights
        self.random = np.random.default_rng(11)
        self.older = options.older
        self.gptq = functions(
            options.sources / "gptqmodel/gptqmodel/utils/model_dequant.py",
            ["unpack_rows", "unpack_cols", "pack_cols", "_unpack_rows_3bit", "_unpack_cols_3bit", "_pack_cols_3bit",
             "_require_int32_words_for_3bit", "_shift_gptq_qzeros", "_correct_gptq_v1_qzeros"], PLANAR_BITS=())
        self.awq = functions(
            options.sources / "autoawq/awq/utils/packing_utils.py",
            ["AWQ_ORDER", "AWQ_REVERSE_ORDER", "unpack_awq", "reverse_awq_order", "dequantize_gemm"])

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.random.integers(low, high + 1, shape))

    def scales(self, spread: float, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.random.uniform(0.4, 1, shape) * spread).to(dtype)

    # MLX

    def mlx(self, usual: tuple[int, int], others: dict, dtype: torch.dtype):
        settings = {"group_size": usual[0], "bits": usual[1], "mode": "affine"}
        tensors, decoded = {}, {}
        for module in [EMBEDDING, *MODULES]:
            own = others.get(module, usual)
            if own is False:
                settings[module] = False
                continue
            if own != usual:
                settings[module] = {"group_size": own[0], "bits": own[1]}
            kind = {HALF: mx.float16, BRAIN: mx.bfloat16}[dtype]
            if own[1] == 5:
                kind = mx.float32
            matrix = mx.array(self.weights[module].float().numpy()).astype(kind)
            codes, scales, biases = mx.quantize(matrix, group_size=own[0], bits=own[1])
            values = mx.dequantize(
                codes, scales.astype(mx.float32), biases.astype(mx.float32), group_size=own[0], bits=own[1])
            decoded[module] = torch.from_numpy(np.array(values))
            stored = torch.float32 if own[1] == 5 else dtype
            # NumPy knows no BFloat16; both types are exact in Float32.
            numbers = {key: torch.from_numpy(np.array(value.astype(mx.float32))).to(stored)
                       for key, value in {"scales": scales, "biases": biases}.items()}
            tensors |= parts(module, weight=torch.from_numpy(np.array(codes)), **numbers)
        return {"quantization": settings, "quantization_config": settings}, tensors, decoded

    def mlx_4bit(self):
        return self.mlx((64, 4), {EMBEDDING: (32, 6), DOWN: (128, 8), KEY: False}, BRAIN)

    def mlx_3bit(self):
        return self.mlx((32, 3), {QUERY: (64, 2), KEY: (32, 5)}, HALF)

    # GPTQ

    def gptq_module(self, module: str, bits: int, group_size: int, dtype: torch.dtype, is_first: bool, order=None):
        rows, columns = self.weights[module].shape
        groups = -(-columns // group_size)
        codes = self.integers(0, 2 ** bits - 1, rows, columns)
        zeros = self.integers(0, 2 ** bits - 1, groups, rows)
        scales = self.scales(0.6 / 2 ** bits, dtype, groups, rows)
        index = torch.arange(columns) // group_size
        if order is not None:
            index = index[order(columns)]
        qweight = self.gptq["pack_cols"](codes, bits, pack_dtype=torch.int32).t()
        qzeros = self.gptq["pack_cols"](zeros, bits, pack_dtype=torch.int32)
        assert torch.equal(self.gptq["unpack_rows"](qweight, bits), codes.t().int())
        # GPTQModel when it loads (convert_gptq_v1_to_v2_format_module): words but for 3 bits.
        stored = qzeros
        if is_first and bits == 3:
            stored = self.gptq["_shift_gptq_qzeros"](qzeros, bits, delta=-1)
            qzeros = self.gptq["_correct_gptq_v1_qzeros"](stored, bits)
        elif is_first:
            ones = sum(1 << place for place in range(0, 32, bits))
            stored = (qzeros.long() - ones).to(torch.int32)
            qzeros = (stored.long() + ones).to(torch.int32)
        zeros = self.gptq["unpack_cols"](qzeros, bits).int()[index]
        # TorchLinear: scales[g_idx] * (weight - zeros[g_idx]), in the type of the scales.
        values = (scales[index] * (self.gptq["unpack_rows"](qweight, bits).int() - zeros)).t().float()
        return parts(module, qweight=qweight, qzeros=stored, scales=scales, g_idx=index.int()), values

    def gptq_scheme(self, bits, group_size, dtype=HALF, is_first=True, order=None, has_index=True, **settings):
        tensors, decoded = {}, {}
        for module in MODULES:
            size = self.weights[module].shape[1] if group_size == -1 else group_size
            own, decoded[module] = self.gptq_module(module, bits, size, dtype, is_first, order)
            tensors |= {key: value for key, value in own.items() if has_index or not key.endswith("g_idx")}
        return {"quantization_config": {
            "quant_method": "gptq", "bits": bits, "group_size": group_size, "desc_act": order is not None,
            "sym": False} | settings}, tensors, decoded

    def gptq_2bit(self):
        return self.gptq_scheme(2, 32, checkpoint_format="gptq")

    def gptq_3bit(self):
        return self.gptq_scheme(3, 32)

    def gptq_4bit(self):
        config, tensors, decoded = self.gptq_scheme(
            4, 32, order=lambda columns: torch.from_numpy(self.random.permutation(columns)), dynamic={"-:lm_head": {}})
        # Old writers give modules without bias one of zeros.
        tensors |= parts(DOWN, bias=torch.zeros(64, dtype=HALF))
        return config, tensors, decoded

    def gptq_8bit(self):
        return self.gptq_scheme(8, -1, BRAIN, is_first=False, has_index=False, checkpoint_format="gptq_v2")

    # AWQ

    def awq_4bit(self):
        tensors, decoded = {}, {}
        for module in MODULES:
            rows, columns = self.weights[module].shape

            def pack(codes: torch.Tensor) -> torch.Tensor:
                words = codes.reshape(codes.shape[0], -1, 8)[:, :, self.awq["AWQ_ORDER"]]
                return (words << torch.arange(0, 32, 4)).sum(-1).to(torch.int32)
            own = {"qweight": pack(self.integers(0, 15, columns, rows)),
                   "qzeros": pack(self.integers(0, 15, columns // 32, rows)),
                   "scales": self.scales(0.04, HALF, columns // 32, rows)}
            decoded[module] = self.awq["dequantize_gemm"](*own.values(), 4, 32).t().float()
            tensors |= parts(module, **own)
        return {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm",
                                        "zero_point": True, "modules_to_not_convert": None}}, tensors, decoded

    # compressed-tensors

    def compressed(self, format: str, dtype: torch.dtype, has_activations=False, **args):
        scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**args))
        compressor = BaseCompressor.get_value_from_registry(format)
        tensors, decoded = {}, {}
        for module in MODULES:
            weight = self.weights[module].to(dtype)
            rows, columns = weight.shape
            shape = {"tensor": (1,), "channel": (rows, 1), "group": (rows, columns // (args.get("group_size") or columns)),
                     "block": tuple(-(-a // b) for a, b in zip(weight.shape, args.get("block_structure", (1, 1))))}
            top = 448 if args["type"] == "float" else 2 ** (args["num_bits"] - 1)
            state = {"weight": weight, "weight_scale": self.scales(0.7 / top, dtype, *shape[args["strategy"]])}
            if not args["symmetric"]:
                state["weight_zero_point"] = self.integers(
                    -top // 2, top // 2, *shape[args["strategy"]]).to(torch.int8)
            own = compressor.compress(state, scheme)
            decoded[module] = compressor.decompress(dict(own), scheme)["weight"].float()
            tensors |= parts(module, **own)
        activations = {"num_bits": 8, "type": args["type"], "dynamic": True, "strategy": "token", "symmetric": True}
        return {"quantization_config": {
            "quant_method": "compressed-tensors", "format": format, "quantization_status": "compressed", "ignore": ["lm_head"],
            "kv_cache_scheme": None, "config_groups": {"group_0": {
                "targets": ["Linear"], "weights": args | {"dynamic": False, "actorder": None},
                "input_activations": activations if has_activations else None}}}}, tensors, decoded

    def compressed_int4(self):
        return self.compressed(
            "pack-quantized", BRAIN, num_bits=4, type="int", strategy="group", group_size=32, symmetric=False)

    def compressed_int8(self):
        return self.compressed("pack-quantized", HALF, num_bits=8, type="int", strategy="channel", symmetric=True)

    def compressed_w8a8(self):
        return self.compressed(
            "int-quantized", BRAIN, True, num_bits=8, type="int", strategy="channel", symmetric=False)

    def compressed_fp8(self):
        return self.compressed("float-quantized", BRAIN, True, num_bits=8, type="float", strategy="tensor", symmetric=True)

    def compressed_fp8_block(self):
        return self.compressed(
            "float-quantized", BRAIN, True, num_bits=8, type="float", strategy="block", block_structure=[24, 48],
            symmetric=True)

    def compressed_actorder(self):
        """Version 0.9 decodes with the groups of columns, and stores zero points as bytes."""
        args = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False}
        config, tensors, decoded = self.compressed("pack-quantized", HALF, **args)
        config["quantization_config"]["config_groups"]["group_0"]["weights"]["actorder"] = "group"
        for module in MODULES:
            rows, columns = self.weights[module].shape
            state = {
                "x_q": self.integers(-8, 7, rows, columns).to(torch.int8), "scale": tensors[f"{module}.weight_scale"],
                "zero_point": self.integers(-4, 4, rows, columns // 32).to(torch.int8),
                "g_idx": (torch.arange(columns) // 32)[torch.from_numpy(self.random.permutation(columns))].int()}
            with tempfile.TemporaryDirectory() as folder:
                save_file(state, f"{folder}/state")
                subprocess.run([sys.executable, "-c", OLDER, self.older, f"{folder}/state", json.dumps(args)], check=True)
                result = load_file(f"{folder}/state")
            decoded[module] = result["weight"].float()
            tensors |= parts(module, weight_packed=result["packed"], weight_zero_point=state["zero_point"],
                             weight_g_idx=state["g_idx"])
        return config, tensors, decoded

    # FP8

    def fp8(self, settings: dict, suffix: str, shape):
        tensors, decoded = {}, {}
        for module in MODULES:
            weight = self.weights[module].float()
            scales = self.scales(0.004, torch.float32, *shape(*weight.shape))
            codes = (weight * 200).to(torch.float8_e4m3fn)
            decoded[module] = Fp8Dequantize(None)._dequantize_one(
                codes, scales if scales.dim() == 2 else scales.reshape(-1, 1), torch.float32)
            tensors |= parts(module, weight=codes, **{suffix: scales})
        return {"quantization_config": settings}, tensors, decoded

    def fp8_block(self):
        return self.fp8({"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [16, 32]},
                        "weight_scale_inv", lambda rows, columns: (rows // 16, columns // 32))

    def fp8_tensor(self):
        config, tensors, decoded = self.fp8(
            {"quant_method": "fp8", "activation_scheme": "static"}, "weight_scale", lambda rows, columns: (1,))
        return config, tensors | parts(QUERY, input_scale=torch.tensor([0.5])), decoded

    def fp8_channel(self):
        return self.fp8({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, "weight_scale",
                        lambda rows, columns: (rows, 1))


OLDER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from compressed_tensors.compressors.quantized_compressors.pack_quantized import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import dequantize
from safetensors.torch import load_file, save_file
state = load_file(sys.argv[2])
result = {"weight": dequantize(**state, args=QuantizationArgs(**json.loads(sys.argv[3]))).contiguous(),
          "packed": pack_to_int32(state["x_q"], 4)}
save_file(result, sys.argv[2])
"""


def base(folder: pathlib.Path, llama: pathlib.Path) -> transformers.LlamaForCausalLM:
    """The folder without an index, every matrix and the norms in files of their own."""
    settings = COMMON | {"intermediate_size": 128, "num_hidden_layers": 1, "tie_word_embeddings": True,
                         "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings)).eval()
    fill(model, "quantized")
    model.tie_weights()
    shutil.rmtree(folder, ignore_errors=True)
    model.to(BRAIN).save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    for name, tensor in model.state_dict().items():
        if tensor.dim() == 2 and name != "lm_head.weight":
            save_file({name: tensor}, folder / f"{name.split('.')[-2]}.safetensors", metadata={"format": "pt"})
    norms = {name: tensor for name, tensor in model.state_dict().items() if tensor.dim() == 1}
    save_file(norms, folder / "norms.safetensors", metadata={"format": "pt"})
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(llama / file, folder / file)
    return model


def write(name: str, schemes: Schemes, model: transformers.LlamaForCausalLM, output: pathlib.Path, tokens: list[int]) -> None:
    config, tensors, decoded = getattr(schemes, name)()
    file = name.replace("_", "-")
    save_file(tensors, output / f"{file}.safetensors", metadata={"format": "pt"})
    state = {key: value.to(torch.float64) for key, value in model.state_dict().items()}
    for module, values in decoded.items():
        # The embedding is the head, too.
        for key in [module, "lm_head"] if module == EMBEDDING else [module]:
            state[f"{key}.weight"] = values.to(torch.float64)
    other = transformers.LlamaForCausalLM(model.config).double().eval()
    other.load_state_dict(state)
    with torch.no_grad():
        rows = other(torch.tensor([tokens])).logits[0, POSITIONS].numpy().astype("<f4")
    rows.tofile(output / f"{file}.logits.bin")
    index = {key: f"{file}.safetensors" for key in tensors}
    for key in model.state_dict():
        if key.removesuffix(".weight") not in decoded and key != "lm_head.weight":
            index[key] = "norms.safetensors" if "norm" in key else f"{key.split('.')[-2]}.safetensors"
    digests = {f"{module}.weight": hashlib.sha256(values.contiguous().numpy().astype("<f4").tobytes()).hexdigest()
               for module, values in decoded.items()}
    (output / f"{file}.json").write_text(json.dumps(
        {"config": config, "weight_map": index, "sha256": digests, "tokens": tokens, "positions": POSITIONS}, indent=1)
        + "\n", encoding="utf-8")
    print(f"{file:22} {len(decoded)} matrices, standard deviation of logits {rows.std():.2f}")


def write_fused(folders: pathlib.Path, output: pathlib.Path) -> None:
    """Phi-3, where one quantized matrix stands for several, whole."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folders / "phi3", dtype=torch.float32, attn_implementation="eager")
    tensors, digests, state = {}, {}, model.state_dict()
    for name, weight in state.items():
        if weight.dim() == 1:
            tensors[name] = weight.to(BRAIN)
            continue
        codes, scales, biases = mx.quantize(mx.array(weight.numpy()).astype(mx.float16), group_size=32, bits=4)
        values = mx.dequantize(codes, scales.astype(mx.float32), biases.astype(mx.float32), group_size=32, bits=4)
        tensors |= parts(name.removesuffix(".weight"), weight=torch.from_numpy(np.array(codes)),
                         scales=torch.from_numpy(np.array(scales)), biases=torch.from_numpy(np.array(biases)))
        state[name] = torch.from_numpy(np.array(values))
        if "qkv" not in name and "gate_up" not in name:
            digests[name] = hashlib.sha256(np.array(values).astype("<f4").tobytes()).hexdigest()
    save_file(tensors, output / "mlx-phi3.safetensors", metadata={"format": "mlx"})
    model.load_state_dict(state)
    tokens = json.loads((folders / "phi3/golden.json").read_text(encoding="utf-8"))["tokens"]
    with torch.no_grad():
        rows = model.double()(torch.tensor([tokens])).logits[0, POSITIONS].numpy().astype("<f4")
    rows.tofile(output / "mlx-phi3.logits.bin")
    (output / "mlx-phi3.json").write_text(json.dumps(
        {"folder": "phi3", "config": {"quantization": {"group_size": 32, "bits": 4}}, "sha256": digests, "tokens": tokens,
         "positions": POSITIONS}, indent=1) + "\n", encoding="utf-8")
    print(f"mlx-phi3               standard deviation of logits {rows.std():.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, help="where the folder goes, with that of llama (Tests/Fixtures/folders)")
    parser.add_argument("output", type=pathlib.Path, help="where the schemes go (Tests/Fixtures/quantized)")
    parser.add_argument("sources", type=pathlib.Path, help="has gptqmodel and autoawq, the source distributions unpacked")
    parser.add_argument("older", help="a folder into which pip installed compressed-tensors 0.9.0")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    options.output.mkdir(parents=True, exist_ok=True)
    model = base(options.folders / "quantized", options.folders / "llama")
    weights = {module: model.state_dict()[f"{module}.weight"] for module in [EMBEDDING, *MODULES]}
    schemes = Schemes(weights, options)
    tokens = json.loads((options.folders / "llama/golden.json").read_text(encoding="utf-8"))["tokens"]
    for name in [
        "mlx_4bit", "mlx_3bit", "gptq_2bit", "gptq_3bit", "gptq_4bit", "gptq_8bit", "awq_4bit", "compressed_int4",
        "compressed_int8", "compressed_w8a8", "compressed_fp8", "compressed_fp8_block", "compressed_actorder", "fp8_block",
        "fp8_tensor", "fp8_channel"
    ]:
        write(name, schemes, model, options.output, tokens)
    write_fused(options.folders, options.output)
