"""effv2's models in torchvision or timm (which Debian's PyTorch 1.13 does without), with the same dropout and drop-path."""
import torchvision


def timm_model(name, **options):
    def make():
        import timm
        return timm.create_model(name, **options)
    return make


MODELS = {
    "efficientnetv2-s": lambda: torchvision.models.efficientnet_v2_s(),
    "efficientnet-b0": lambda: torchvision.models.efficientnet_b0(),
    "resnet50": lambda: torchvision.models.resnet50(),
    # pad_type "": padding inside the convolution, which is faster for PyTorch than TensorFlow's rule
    "efficientnetv2-b0": timm_model("tf_efficientnetv2_b0", pad_type="", drop_rate=0.2, drop_path_rate=0.2),
}
