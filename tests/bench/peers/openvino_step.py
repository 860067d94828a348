"""Images per second of inference in OpenVINO; see torch_step.py.

usage: python openvino_step.py [model=efficientnetv2-s] [image=128] [batch=16] [threads=2] mode=infer [steps=20] [warmup=3]
"""
import numpy
import openvino

import common

a = common.arguments()
path = common.onnx_model(a)
start_rss_mb = common.rss_mb()
settings = {  # the precision is a hint: without it a CPU that has bfloat16 uses that
    "INFERENCE_NUM_THREADS": a.threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY",
}
request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
images = numpy.random.randn(a.batch, 3, a.image, a.image).astype(numpy.float32)
common.run("openvino", openvino.__version__, "nchw", a, start_rss_mb, lambda: request.infer({0: images}))
