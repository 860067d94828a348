"""Images per second of whole training steps (or of inference) in TensorFlow's graph mode; see torch_step.py.

usage: python tensorflow_step.py [model=efficientnetv2-s] [image=128] [batch=16] [threads=2] [mode=train|infer]
                                 [steps=20] [warmup=3]
"""
import os

import common

a = common.arguments()
common.limit_threads(a.threads)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(a.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.random.set_seed(0)
make = common.known({
    "efficientnetv2-s": lambda **o: keras.applications.EfficientNetV2S(include_preprocessing=False, **o),
    "efficientnetv2-b0": lambda **o: keras.applications.EfficientNetV2B0(include_preprocessing=False, **o),
    "efficientnet-b0": keras.applications.EfficientNetB0,
    "resnet50": keras.applications.ResNet50,
}, a.model)
start_rss_mb = common.rss_mb()
model = make(weights=None, input_shape=(a.image, a.image, 3), classes=1000, classifier_activation=None)
images = tf.random.normal((a.batch, a.image, a.image, 3))


def training():
    optimiser = keras.optimizers.RMSprop(1e-4, rho=0.9, momentum=0.9, epsilon=1e-3, weight_decay=1e-5)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    labels = tf.one_hot(tf.zeros(a.batch, tf.int32), 1000)
    optimiser.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables))
        return loss
    return step


def inference():
    return tf.function(lambda: model(images, training=False))


graph = training() if a.mode == "train" else inference()
common.run("tensorflow", tf.__version__, "nhwc", a, start_rss_mb, lambda: graph().numpy())
