// SPDX-License-Identifier: GPL-3.0-or-later
// P-tuning: its networks' formulas written out once more, and what its folders say.
#include "engine/methods/p_tuning.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

using Shape = PromptEncoder::Shape;

std::vector<Tensor> drawn(const Shape& shape) {
  std::vector<Tensor> tensors;
  for (const TensorSize& size : PromptEncoder::sizes(shape))
    tensors.push_back(torch::zeros(size.shape));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(4);
  PromptEncoder::draw(tensors, shape, generator);
  return tensors;
}

/// One way through a layer of an LSTM, a token at a time. w: input, state, their biases.
Tensor one_way(const Tensor& x, const Tensor* w, bool back) {
  const std::int64_t inner = w[1].size(1);
  Tensor state = torch::zeros({inner}), cell = torch::zeros({inner});
  std::vector<Tensor> given(static_cast<std::size_t>(x.size(0)));
  for (std::int64_t k = 0; k < x.size(0); ++k) {
    const std::int64_t at = back ? x.size(0) - 1 - k : k;
    const Tensor sums = at::mv(w[0], x[at]) + w[2] + at::mv(w[1], state) + w[3];
    const auto gates = sums.chunk(4);  // in, forget, cell, out
    cell = at::sigmoid(gates[1]) * cell + at::sigmoid(gates[0]) * at::tanh(gates[2]);
    state = at::sigmoid(gates[3]) * at::tanh(cell);
    given[static_cast<std::size_t>(at)] = state;
  }
  return torch::stack(given);
}

}  // namespace

class TestPTuning : public QObject {
  Q_OBJECT

  MethodBase base_;

 private slots:
  void three_layers() {
    const Shape shape{5, 12, 7, false, 2};
    const std::vector<Tensor> t = drawn(shape);
    QCOMPARE(t.size(), std::size_t{7});
    Tensor x = t[0];
    x = at::relu(at::mm(x, t[1].t()) + t[2]);
    x = at::relu(at::mm(x, t[3].t()) + t[4]);
    x = at::mm(x, t[5].t()) + t[6];
    QVERIFY(far(PromptEncoder(shape, t).made(), x) < 1e-6);
  }

  void both_ways_and_two_layers() {
    const Shape shape{6, 12, 7, true, 3};
    const std::vector<Tensor> t = drawn(shape);
    QCOMPARE(t.size(), std::size_t{1 + 3 * 8 + 4});
    Tensor x = t[0];
    for (std::size_t layer = 0; layer < 3; ++layer) {
      const Tensor* w = &t[1 + 8 * layer];
      x = torch::cat({one_way(x, w, false), one_way(x, w + 4, true)}, 1);
    }
    x = at::relu(at::mm(x, t[25].t()) + t[26]);
    x = at::mm(x, t[27].t()) + t[28];
    QVERIFY(far(PromptEncoder(shape, t).made(), x) < 1e-5);
  }

  /// Dropout is between the LSTM's layers: not before the first, not behind the last.
  void dropout_is_between_layers() {
    const Shape shape{6, 12, 7, true, 3};
    std::vector<std::int64_t> places;
    const PromptEncoder encoder(shape, drawn(shape));
    (void)encoder.made([&](const Tensor& x, std::int64_t layer) {
      places.push_back(layer);
      return x;
    });
    QCOMPARE(places, (std::vector<std::int64_t>{0, 1}));
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe(
        "p_tuning", {"adapter.encoder_reparameterization_type=LSTM", "adapter.encoder_dropout=0.5",
                     "adapter.num_virtual_tokens=4", "adapter.encoder_hidden_size=8"});
    const auto adapter = create_adapter(loaded, "p_tuning", recipe.adapter, 1);
    QVERIFY(adapter);
    adapter.value()->activate();
    const Tensor still = logits_of(*loaded.model);
    adapter.value()->set_training(true, 3);
    const Tensor dropped = logits_of(*loaded.model);
    QVERIFY(!torch::equal(dropped, still));
    QVERIFY(torch::equal(logits_of(*loaded.model), dropped));
    adapter.value()->set_training(true, 4);
    QVERIFY(!torch::equal(logits_of(*loaded.model), dropped));
    adapter.value()->set_training(false, 0);
    QVERIFY(torch::equal(logits_of(*loaded.model), still));
  }

  /// PEFT's file answers alone; to go on it takes the network.
  void without_its_network() {
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe("p_tuning", {"adapter.num_virtual_tokens=4"});
    const auto made = create_adapter(loaded, "p_tuning", recipe.adapter, 1);
    const fs::path folder = base_.made("network");
    QVERIFY(made.value()->save(folder, "base"));
    QCOMPARE((*read_json_file(folder / "adapter_config.json"))["encoder_hidden_size"], Json(64));
    made.value()->activate();
    const Tensor wanted = logits_of(*loaded.model);
    made.value()->deactivate();
    fs::remove(folder / "prompt_encoder.safetensors");
    const auto again = load_adapter(loaded, folder);
    QVERIFY(again && !again.value()->check_trainable());
    again.value()->activate();
    QVERIFY(far(logits_of(*loaded.model), wanted) < 1e-6);
    again.value()->deactivate();
    const fs::path copy = base_.made("copy");
    QVERIFY(again.value()->save(copy, "base"));
    QVERIFY(!fs::exists(copy / "prompt_encoder.safetensors"));
    QVERIFY(load_adapter(loaded, copy));
  }
};

QTEST_GUILESS_MAIN(TestPTuning)
#include "test_p_tuning.moc"
