--- First steps: tensors and gradients, a network, and one training step done by hand.
--
--     effv2 examples/first_steps.lua
--
-- Everything here can be typed at the prompt as well: start `effv2` without arguments.
local effv2 = require "effv2"

effv2.manual_seed(0) -- the same numbers in every run

-- Tensors: rows of numbers with a shape. Operations are functions and methods alike.
local x = effv2.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
print("x", x)
print("x * 10 + 1", x * 10 + 1)
print("mean of the columns", x:mean(1))
print("product of x and its transpose", x:matmul(x:permute { 2, 1 }))

-- Gradients: what is computed from a tensor that requires one can be differentiated.
local w = effv2.ones(3):requires_grad(true)
local loss = (x * w):square():mean()
loss:backward()
print("loss", loss:item(), "its gradient", w:grad())

-- A network by name, here with 10 classes; images are batch x height x width x channels.
local model = effv2.models.create("efficientnetv2-tiny", { classes = 10 })
print(("efficientnetv2-tiny: %d parameters, first layer %s"):format(model:num_parameters(), tostring(model.stem.conv)))

-- A batch of pictures from the built-in data set, as training sees them.
local data = effv2.data.open "shapes"
local loader = effv2.data.loader {
    source = data.train, pipeline = effv2.augment.train { size = 32 }, batch_size = 16,
}
local batch = loader:next()
loader:close()

-- One training step, twice on the same batch: forward, backward, update. What is made within effv2.step is released at
-- its end.
local optimiser = effv2.optim.sgd { momentum = 0.9 }:attach(model)
for step = 1, 2 do
    effv2.step(function()
        optimiser:zero_grad()
        local step_loss = effv2.cross_entropy(model(batch.images), batch.labels)
        step_loss:backward()
        optimiser:step { lr = 0.1 }
        print(("step %d: loss %.4f"):format(step, step_loss:item()))
    end)
end

-- Predictions: evaluation mode, no gradients.
local logits = effv2.no_grad(model:eval(), batch.images)
local class = logits:argmax(2)[1]
print(("the first picture shows a %s; the network, barely trained, says %s"):format(
    data.class_names[batch.labels[1] + 1], data.class_names[class + 1]))
