"""Modules and layers."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
import retrograd as rg
from reference import loss as reference
from retrograd import Tensor, nn
from retrograd.nn import functional as F
from retrograd.nn import init


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.scale = nn.Parameter(rg.ones(1))
        self.register_buffer("count", rg.zeros(1))
        self.register_buffer("scratch", rg.zeros(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x) * self.scale
        return y


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.block = Block(4)
        self.twin = self.block
        self.tied = self.first.weight
        self.number = 5

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(self.first(x))
        return y


# --- registering and walking ---


def test_names_in_order_and_each_object_once() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "tied",
        "first.bias",
        "block.scale",
        "block.inner.weight",
        "block.inner.bias",
    ]
    assert len(list(net.parameters())) == len({id(p) for p in net.parameters()}) == 5
    assert [n for n, _ in net.named_modules()] == ["", "first", "block", "block.inner"]
    assert [n for n, _ in net.named_children()] == ["first", "block"]
    assert [n for n, _ in net.named_buffers()] == ["block.count", "block.scratch"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 9
    assert len(list(net.parameters(recurse=False))) == 1


def test_attributes_can_be_replaced_and_removed() -> None:
    net = Net()
    new = nn.Linear(3, 4)
    net.first = new
    assert net.get_submodule("first") is new
    del net.twin
    assert [n for n, _ in net.named_children()] == ["first", "block"]
    del net.block
    assert [n for n, _ in net.named_children()] == ["first"]
    assert not hasattr(net, "block")


def test_a_parameter_replaced_by_a_tensor_is_refused_or_forgotten() -> None:
    layer = nn.Linear(2, 2)
    try:
        layer.weight = rg.ones(2, 2)  # type: ignore[assignment]
    except TypeError as error:
        assert "Parameter" in str(error)
    else:
        assert "weight" not in dict(layer.named_parameters())


def test_none_is_a_parameter_that_is_not_there() -> None:
    layer = nn.Linear(2, 3, bias=False)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    layer.bias = nn.Parameter(rg.zeros(3))
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.parametrize("name", ["", "a.b"])
def test_bad_names(name: str) -> None:
    module = nn.Module()
    register: Any
    for register in (
        lambda: module.register_parameter(name, None),
        lambda: module.register_buffer(name, None),
        lambda: module.add_module(name, None),
    ):
        with pytest.raises(KeyError):
            register()


def test_wrong_kinds_are_refused() -> None:
    module = nn.Module()
    with pytest.raises(TypeError, match="Parameter"):
        module.register_parameter("p", rg.ones(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Tensor"):
        module.register_buffer("b", 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Module"):
        module.add_module("m", 1)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="exists"):
        module.register_buffer("forward", rg.ones(1))


def test_getting_by_dotted_name() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("block.inner") is net.block.inner
    assert net.get_parameter("block.inner.weight") is net.block.inner.weight
    assert net.get_buffer("block.count") is net.block.count
    for bad in ("nothing", "block.nothing", "first.weight"):
        with pytest.raises(AttributeError):
            net.get_submodule(bad)
    with pytest.raises(AttributeError):
        net.get_parameter("first.nothing")


def test_apply_visits_children_first() -> None:
    order: list[str] = []
    net = Net()
    assert net.apply(lambda m: order.append(type(m).__name__)) is net
    assert order == ["Linear", "Linear", "Block", "Net"]


def test_train_and_eval() -> None:
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not net.block.inner.training
    assert net.train().block.inner.training
    with pytest.raises(ValueError, match="bool"):
        net.train("yes")  # type: ignore[arg-type]


def test_a_submodules_own_train_is_respected() -> None:
    class Frozen(nn.Module):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    outer = nn.Sequential(Frozen(), nn.Linear(1, 1))
    outer.train()
    assert not outer[0].training
    assert outer[1].training


def test_a_module_inside_itself() -> None:
    net = Net()
    net.me = net
    assert len(list(net.modules())) == 4
    net.eval().train().apply(lambda m: None).double().float()
    assert "..." in repr(net)
    assert len(list(net.named_modules(remove_duplicate=False))) == 6


def test_a_very_deep_model() -> None:
    outer = nn.Module()
    module = outer
    for _ in range(5000):
        module.inner = nn.Module()
        module = module.inner
    module.weight = nn.Parameter(rg.ones(1))
    assert len(list(outer.modules())) == 5001
    assert len(list(outer.parameters())) == 1
    outer.eval()
    outer.apply(lambda m: None)
    assert len(outer.state_dict()) == 1
    # Taken apart from outside: what Python does with a chain of 5,000 objects is its own affair.
    while hasattr(outer, "inner"):
        outer, inner = outer.inner, outer
        del inner.inner


def test_requires_grad_and_zero_grad() -> None:
    net = Net()
    net(rg.ones(1, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad is not None
    assert net.first.weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())


def test_converting() -> None:
    net = Net()
    net.first.weight.grad = rg.ones(4, 3)
    net.double()
    assert net.first.weight.dtype == rg.float64
    assert net.tied is net.first.weight
    assert isinstance(net.tied, nn.Parameter)
    assert net.tied.grad is not None
    assert net.tied.grad.dtype == rg.float64
    assert net.block.count.dtype == rg.float64
    assert net(rg.ones(1, 3, dtype=rg.float64)).dtype == rg.float64
    assert net.to(rg.float32).block.inner.weight.dtype == rg.float32
    assert net.to("cpu") is net
    with pytest.raises(NotImplementedError, match="cuda"):
        net.to("cuda")
    with pytest.raises(TypeError, match="floating"):
        net.to(rg.int64)


def test_calling() -> None:
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)

    class Adder(nn.Module):
        def forward(self, a: int, *, b: int = 1) -> int:
            return a + b

    assert Adder()(1, b=2) == 3


# --- saving and loading ---


def test_state_dict_round_trip() -> None:
    a, b = Net(), Net()
    state = a.state_dict()
    assert list(state)[:2] == ["tied", "first.weight"]
    assert "block.scratch" not in state
    assert "twin.inner.weight" in state
    assert not any(t.requires_grad for t in state.values())
    assert a.state_dict(keep_vars=True)["first.weight"] is a.first.weight
    assert repr(b.load_state_dict(state)) == "<All keys matched successfully>"
    for name, tensor in b.state_dict().items():
        assert tensor.tolist() == state[name].tolist()
    assert a.first.bias is not None
    a.first.bias.data.zero_()
    assert state["first.bias"].tolist() == [0, 0, 0, 0]


def test_loading_arrays() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": [3.0]})
    assert layer(rg.tensor([1.0, 1.0])).tolist() == [6]


def test_a_failed_load_says_everything_and_changes_nothing() -> None:
    layer = nn.Linear(2, 1)
    before = layer.bias.tolist()  # type: ignore[union-attr]
    with pytest.raises(RuntimeError) as info:
        layer.load_state_dict({"bias": rg.zeros(1), "wait": rg.zeros(1), "weight": rg.zeros(3)})
    assert 'Unexpected key(s) in state_dict: "wait"' in str(info.value)
    assert "size mismatch for weight" in str(info.value)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "weight"'):
        layer.load_state_dict({"bias": rg.zeros(1)})
    assert layer.bias is not None
    assert layer.bias.tolist() == before
    result = layer.load_state_dict({"bias": rg.zeros(1), "x": 1}, strict=False)
    assert result == (["weight"], ["x"])
    with pytest.raises(NotImplementedError, match="assign"):
        layer.load_state_dict({}, assign=True)
    with pytest.raises(TypeError):
        layer.load_state_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copying(clone: Any) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), Block(3))
    other = clone(net)
    x = rg.ones(1, 2)
    assert other(x).tolist() == net(x).tolist()
    assert [n for n, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in other.parameters())
    assert list(other.state_dict()) == list(net.state_dict())
    other[0].weight.data.zero_()
    assert net[0].weight.abs().sum().item() > 0
    other[2].extra = nn.Linear(1, 1)
    assert "2.extra.weight" in other.state_dict()


def test_copying_keeps_sharing() -> None:
    other = copy.deepcopy(Net())
    assert other.tied is other.first.weight
    assert other.twin is other.block


# --- hooks ---


def test_forward_hooks() -> None:
    layer = nn.Identity()
    log: list[str] = []
    first = layer.register_forward_hook(lambda m, args, out: log.append("first"))
    layer.register_forward_hook(lambda m, args, out: out + 1, prepend=True)
    pre = layer.register_forward_pre_hook(lambda m, args: (args[0] * 10,))
    assert layer(1) == 11
    assert log == ["first"]
    pre.remove()
    first.remove()
    first.remove()
    assert layer(1) == 2
    assert log == ["first"]


def test_hooks_with_keywords() -> None:
    class Adder(nn.Module):
        def forward(self, a: int, b: int = 0) -> int:
            return a + b

    layer = Adder()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"b": kwargs["b"] * 2}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: (out, kwargs["b"]), with_kwargs=True)
    assert layer(1, b=3) == (7, 6)


def test_a_hook_as_a_context() -> None:
    layer = nn.Identity()
    with layer.register_forward_hook(lambda m, args, out: 5):
        assert layer(1) == 5
    assert layer(1) == 1
    with pytest.raises(TypeError, match="callable"):
        layer.register_forward_hook(3)  # type: ignore[arg-type]


def test_a_hook_may_remove_itself_and_handles_keep_nothing_alive() -> None:
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda m, args, out: handle.remove())
    layer(1)
    watch = weakref.ref(layer)
    del layer
    gc.collect()
    assert watch() is None
    handle.remove()


def test_a_module_cycle_through_a_hook_is_collected() -> None:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda m, args, out, held=layer: None)
    watch = weakref.ref(layer)
    del layer
    gc.collect()
    assert watch() is None


# --- layers ---


def test_linear() -> None:
    layer = nn.Linear(3, 2)
    x = np.random.default_rng(0).standard_normal((5, 4, 3)).astype(np.float32)
    assert layer.bias is not None
    want = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), want, rtol=1e-5, atol=1e-6)
    assert layer(rg.ones(3)).shape == (2,)
    assert nn.Linear(3, 2, bias=False)(rg.ones(0, 3)).shape == (0, 2)
    plain = nn.Linear(3, 2, bias=False)
    np.testing.assert_allclose(plain(rg.ones(3)).tolist(), plain.weight.sum(1).tolist(), rtol=1e-6)
    with pytest.raises(ValueError, match="matmul"):
        plain(rg.ones(4))
    assert nn.Linear(3, 2, dtype=rg.float64).weight.dtype == rg.float64
    with pytest.raises((ValueError, RuntimeError)):
        layer(rg.ones(4))
    with pytest.raises(ValueError, match="in_features"):
        nn.Linear(-1, 2)
    with pytest.raises(TypeError, match="out_features"):
        nn.Linear(1, 2.5)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="device"):
        nn.Linear(1, 2, device="cuda")


def test_linear_starts_as_torch_says() -> None:
    rg.manual_seed(0)
    layer = nn.Linear(400, 300)
    for p in layer.parameters():
        assert p.abs().max().item() <= 1 / 20
        assert p.abs().max().item() > 0.049
        assert abs(p.mean().item()) < 0.004


def test_activations_and_flatten() -> None:
    x = rg.tensor([[-1.0, 0.0, 2.0]])
    assert nn.ReLU()(x).tolist() == [[0, 0, 2]]
    np.testing.assert_allclose(nn.Tanh()(x).numpy(), np.tanh(x.numpy()), rtol=1e-6)
    np.testing.assert_allclose(nn.Sigmoid()(x).numpy(), 1 / (1 + np.exp(-x.numpy())), rtol=1e-6)
    np.testing.assert_allclose(nn.SiLU()(x).numpy(), x.numpy() / (1 + np.exp(-x.numpy())), rtol=1e-6)
    np.testing.assert_allclose(nn.Softmax(-1)(x).sum().item(), 1, rtol=1e-6)
    np.testing.assert_allclose(nn.LogSoftmax(-1)(x).numpy(), reference.log_softmax(x.numpy()), rtol=1e-5)
    assert nn.Flatten()(rg.zeros(2, 3, 4)).shape == (2, 12)
    assert nn.Flatten(0)(rg.zeros(2, 3)).shape == (6,)
    assert nn.Identity(1, a=2)(x) is x
    y = x * 1
    assert nn.ReLU(inplace=True)(y) is y
    assert y.tolist() == [[0, 0, 2]]
    with pytest.raises(NotImplementedError, match="dim"):
        nn.Softmax()


def test_softmax_of_large_numbers() -> None:
    x = rg.tensor([[1000.0, 1000.0], [-1000.0, 0.0]])
    assert F.softmax(x, -1).tolist() == [[0.5, 0.5], [0, 1]]
    assert F.log_softmax(x, -1)[1].tolist() == [-1000, 0]


def test_dropout() -> None:
    rg.manual_seed(0)
    layer = nn.Dropout(0.25)
    x = rg.ones(40_000, requires_grad=True)
    y = layer(x)
    kept = y.detach().numpy()
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs((kept != 0).mean() - 0.75) < 0.01
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), kept)
    assert (layer(x).detach().numpy() != kept).any()
    assert layer.eval()(x) is x or layer(x).tolist() == x.tolist()
    assert nn.Dropout(0)(x).tolist() == x.tolist()
    assert nn.Dropout(1)(x).abs().sum().item() == 0
    with pytest.raises(ValueError, match="p"):
        nn.Dropout(1.5)
    with pytest.raises(NotImplementedError, match="inplace"):
        nn.Dropout(inplace=True)


def test_containers() -> None:
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert [*net] == [a, b, c]
    assert net[-1] is c
    assert len(net[1:]) == 2
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    net[1] = nn.Tanh()
    x = rg.ones(1, 2)
    assert net(x).tolist() == c(a(x).tanh()).tolist()
    del net[1]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    net.insert(1, b)
    assert net[1] is b
    named = nn.Sequential({"in": a, "out": c})
    assert list(named.state_dict()) == ["in.weight", "in.bias", "out.weight", "out.bias"]
    assert named(x).tolist() == c(a(x)).tolist()
    with pytest.raises(IndexError):
        net[9]
    with pytest.raises(TypeError):
        nn.Sequential(3)  # type: ignore[arg-type]
    modules = nn.ModuleList([a, b])
    assert list(modules.extend([c]).state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    with pytest.raises(NotImplementedError, match="forward"):
        modules(x)


def test_repr() -> None:
    assert repr(Net()).splitlines() == [
        "Net(",
        "  (first): Linear(in_features=3, out_features=4, bias=True)",
        "  (block): Block(",
        "    (inner): Linear(in_features=4, out_features=4, bias=True)",
        "  )",
        "  (twin): Block(",
        "    (inner): Linear(in_features=4, out_features=4, bias=True)",
        "  )",
        ")",
    ]
    assert repr(nn.Dropout(0.1)) == "Dropout(p=0.1)"


# --- losses ---


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction: str) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 5)), np.array([0, 4, 2, -100, 1, 1])
    logits = rg.tensor(x, requires_grad=True)
    out = nn.CrossEntropyLoss(reduction=reduction)(logits, rg.tensor(t))
    np.testing.assert_allclose(out.detach().numpy(), reference.cross_entropy(x, t, reduction=reduction), rtol=1e-12)
    out.sum().backward()
    assert logits.grad is not None
    want = reference.cross_entropy_grad(x, t, reduction=reduction)
    np.testing.assert_allclose(logits.grad.numpy(), want, rtol=1e-10, atol=1e-14)


def test_cross_entropy_of_one_row_and_of_none() -> None:
    assert F.cross_entropy(rg.zeros(4), rg.tensor(2)).item() == pytest.approx(math.log(4))
    assert math.isnan(F.cross_entropy(rg.zeros(0, 4), rg.zeros(0, dtype=rg.int64)).item())
    assert F.cross_entropy(rg.zeros(0, 4), rg.zeros(0, dtype=rg.int64), reduction="sum").item() == 0


def test_cross_entropy_refuses() -> None:
    x, t = rg.zeros(2, 3), rg.tensor([0, 3])
    with pytest.raises(IndexError, match="3"):
        F.cross_entropy(x, t)
    with pytest.raises(IndexError, match="-1"):
        F.cross_entropy(x, rg.tensor([0, -1]))
    with pytest.raises((ValueError, RuntimeError)):
        F.cross_entropy(x, rg.tensor([0]))
    with pytest.raises((TypeError, NotImplementedError)):
        F.cross_entropy(x, rg.zeros(2))
    with pytest.raises(ValueError, match="reduction"):
        F.cross_entropy(x, rg.tensor([0, 1]), reduction="median")
    for name, value in (
        ("weight", rg.ones(3)),
        ("label_smoothing", 0.1),
        ("size_average", True),
        ("reduce", False),
    ):
        with pytest.raises(NotImplementedError, match=name):
            F.cross_entropy(x, rg.tensor([0, 1]), **{name: value})  # type: ignore[arg-type]


def test_mse() -> None:
    a, b = rg.tensor([1.0, 2.0], requires_grad=True), rg.tensor([3.0, 5.0])
    assert F.mse_loss(a, b).item() == 6.5
    assert nn.MSELoss(reduction="sum")(a, b).item() == 13
    assert F.mse_loss(a, b, reduction="none").tolist() == [4, 9]
    F.mse_loss(a, b).backward()
    assert a.grad is not None
    assert a.grad.tolist() == [-2, -3]
    with pytest.warns(UserWarning, match="shape"):
        F.mse_loss(a, rg.ones(2, 1))


# --- initial values ---


def test_init() -> None:
    rg.manual_seed(0)
    w = nn.Parameter(rg.empty(300, 200))
    assert init.zeros_(w) is w
    assert w.abs().sum().item() == 0
    assert init.ones_(w).sum().item() == 60_000
    assert init.constant_(w, 3).mean().item() == 3
    assert w.requires_grad

    def spread(t: Tensor) -> tuple[float, float]:
        a = t.detach().numpy()
        return float(a.std()), float(np.abs(a).max())

    draw: Any
    for draw, bound in (
        (lambda: init.uniform_(w, -2, 2), 2.0),
        (lambda: init.xavier_uniform_(w), math.sqrt(6 / 500)),
        (lambda: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(6 / 200)),
        (lambda: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(6 / 300)),
    ):
        std, largest = spread(draw())
        assert bound * 0.99 < largest <= bound * 1.0001
        assert std == pytest.approx(bound / math.sqrt(3), rel=0.02)
    for draw, wanted in (
        (lambda: init.normal_(w, 1, 0.5), 0.5),
        (lambda: init.xavier_normal_(w), math.sqrt(2 / 500)),
        (lambda: init.kaiming_normal_(w, nonlinearity="relu"), math.sqrt(2 / 200)),
    ):
        assert spread(draw())[0] == pytest.approx(wanted, rel=0.02)
    with pytest.raises(ValueError, match="two dimensions"):
        init.kaiming_normal_(rg.empty(3))
    with pytest.raises(ValueError, match="mode"):
        init.kaiming_normal_(w, mode="fan")
    with pytest.raises(ValueError, match="nonlinearity"):
        init.calculate_gain("x")
    with pytest.raises(NotImplementedError, match="generator"):
        init.normal_(w, generator=3)


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    assert init.calculate_gain("leaky_relu", 1) == 1
    assert init.calculate_gain("linear") == 1


def bits(x: Tensor) -> bytes:
    return x.detach().numpy().tobytes()


def test_sequential_gives_the_bits_of_its_layers() -> None:
    rg.manual_seed(0)
    for activation in (nn.ReLU(), nn.ReLU(inplace=True), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.Identity()):
        net = nn.Sequential(nn.Linear(5, 33), activation, nn.Linear(33, 7, bias=False), activation, nn.Linear(7, 3))
        x = rg.randn(6, 5)
        y = x
        for layer in net:
            y = layer(y)
        together = net(x)
        assert bits(together) == bits(y)
        (alone,) = rg.autograd.grad(y.sum(), [net[0].weight])
        (fused,) = rg.autograd.grad(together.sum(), [net[0].weight])
        assert bits(fused) == bits(alone)


def test_sequential_calls_what_is_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    x = rg.randn(2, 4)
    net = nn.Sequential(Doubled(4, 4), nn.Tanh())
    assert bits(net(x)) == bits(net[1](net[0](x)))
    plain = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    seen: list[Tensor] = []
    handle = plain[1].register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    plain(x)
    assert len(seen) == 1
    handle.remove()
    plain[1].forward = lambda x: x - 1  # type: ignore[method-assign,misc]
    assert bits(plain(x)) == bits(plain[0](x) - 1)
    monkeypatch.setattr(nn.Linear, "forward", lambda _self, x: x + 1)
    assert bits(plain(x)) == bits(x + 1 - 1)


def test_empty_batches_of_long_rows() -> None:
    """Sums of more than 512 products are made in blocks, of which there are none."""
    layer = nn.Linear(600, 1)
    y = layer(rg.zeros(0, 600))
    assert y.shape == (0, 1)
    y.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum().item() == 0
    assert (rg.zeros(1, 600) @ rg.zeros(600, 0)).shape == (1, 0)
    assert (rg.zeros(2, 0, 600) @ rg.zeros(2, 600, 1)).shape == (2, 0, 1)
    assert (rg.zeros(0, 600) @ rg.zeros(600)).shape == (0,)
