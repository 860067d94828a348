-- F1k3x1 M4k3x1 F6k5x1 F4k3x1, reward 0.6000
return {
    stem = { kernel = 3, stride = 1, channels = 8 },
    head = 256,
    sizes = { eval = 32, train = 32 },
    stages = {
        { op = "fused", expansion = 1, kernel = 3, stride = 1, channels = 8, layers = 1, se = 0 },
        { op = "mb", expansion = 4, kernel = 3, stride = 2, channels = 16, layers = 1, se = 0.25 },
        { op = "fused", expansion = 6, kernel = 5, stride = 2, channels = 32, layers = 1, se = 0 },
        { op = "fused", expansion = 4, kernel = 3, stride = 2, channels = 48, layers = 1, se = 0 },
    },
}
