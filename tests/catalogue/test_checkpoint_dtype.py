"""The number format of a checkpoint, from its several spellings."""

import pytest

from servemark.catalogue.checkpoint_dtype import checkpoint_dtype
from servemark.domain.model import PRECISIONS
from servemark.errors import InputError

PACKED = {"config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}}}
FLOAT8 = {"config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}}}


@pytest.mark.parametrize(
    ("config", "dtype"),
    [
        ({}, "bf16"),
        ({"torch_dtype": "float16"}, "fp16"),
        ({"dtype": "torch.float32"}, "fp32"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "fp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, "fp8"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "int4"),
        ({"quantization_config": {"quant_method": "compressed-tensors", **PACKED}}, "int4"),
        ({"quantization_config": {"quant_method": "compressed-tensors", **FLOAT8}}, "fp8"),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "format": "nvfp4-pack-quantized",
                }
            },
            "fp4",
        ),
    ],
)
def test_formats(config, dtype):
    assert checkpoint_dtype(config, path="config.json") == dtype
    assert dtype in PRECISIONS


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"torch_dtype": "int32"}, "config.json: torch_dtype"),
        ({"dtype": "posit16"}, "config.json: dtype"),
        ({"quantization_config": {"quant_method": "aqlm"}}, "config.json: quantization_config.quant_method"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, "config.json: quantization_config.quant_method"),
        ({"quantization_config": "fp8"}, "config.json: quantization_config"),
    ],
)  # fmt: skip
def test_an_unknown_format_is_refused_by_its_path(config, path):
    with pytest.raises(InputError) as caught:
        checkpoint_dtype(config, path="config.json")
    assert caught.value.path == path
