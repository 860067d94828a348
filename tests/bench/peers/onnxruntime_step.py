"""Images per second of inference in onnxruntime; see torch_step.py.

usage: python onnxruntime_step.py [model=efficientnetv2-s] [image=128] [batch=16] [threads=2] mode=infer [steps=20] [warmup=3]
"""
import numpy
import onnxruntime

import common

a = common.arguments()
path = common.onnx_model(a)
start_rss_mb = common.rss_mb()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = a.threads, 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
images = numpy.random.randn(a.batch, 3, a.image, a.image).astype(numpy.float32)
name = session.get_inputs()[0].name
common.run("onnxruntime", onnxruntime.__version__, "nchw", a, start_rss_mb, lambda: session.run(None, {name: images}))
