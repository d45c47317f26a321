// SPDX-License-Identifier: GPL-3.0-or-later
// Each kind of plug on its port, in a small decoder: what it is told, where its answer goes, with
// and without a cache; and that a port without one computes as if there were none.
#include <cmath>

#include "engine/models/decoder.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kHidden = 16;

Decoder make_decoder() {
  const Json config = {{"model_type", "llama"},   {"vocab_size", 50},
                       {"hidden_size", kHidden},  {"intermediate_size", 24},
                       {"num_hidden_layers", 2},  {"num_attention_heads", 4},
                       {"num_key_value_heads", 2}};
  auto options = read_decoder_options(config, "test");
  if (!options) qFatal("%s", options.error().sentence().c_str());
  torch::manual_seed(3);
  Decoder decoder(*options, torch::TensorOptions(torch::kFloat32));
  const torch::NoGradGuard no_grad;
  for (Tensor& tensor : decoder->parameters()) {
    if (tensor.dim() > 1)
      tensor.normal_(0, 0.3);
    else
      tensor.fill_(1);
  }
  return decoder;
}

TokenSequence sequence_of(const Decoder& decoder, const std::vector<std::int64_t>& lengths) {
  TokenSequence sequence;
  sequence.rows = RowLayout(lengths);
  sequence.embeddings = decoder->embed(torch::arange(sequence.rows.tokens(), torch::kInt64) % 50);
  return sequence;
}

double far(const Tensor& got, const Tensor& wanted) {
  if (got.sizes() != wanted.sizes()) return 1e9;
  return (got - wanted).abs().max().item<double>();
}

class Twice : public LinearPlug {
 public:
  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    return linear.product(x) * 2;
  }
};

class NextRow : public EmbeddingPlug {
 public:
  Tensor forward(const Tensor& ids, const EmbeddingImpl& embedding) const override {
    return embedding.lookup(ids + 1);
  }
};

class Nothing : public BranchPlug {
 public:
  Tensor after(const Tensor& y, const Tensor& x) const override {
    told_x = x;
    return torch::zeros_like(y);
  }
  mutable Tensor told_x;
};

class Before : public AttentionPlug {
 public:
  explicit Before(std::int64_t layer) {
    torch::manual_seed(40 + layer);
    found_ = {torch::randn({3, 2, 4}), torch::randn({3, 2, 4})};
  }
  KeysAndValues before() const override { return found_; }
  std::int64_t count() const override { return 3; }

 private:
  KeysAndValues found_;
};

class Prompt : public SequencePlug {
 public:
  Prompt() { torch::manual_seed(9), rows = torch::randn({4, kHidden}); }
  TokenSequence extend(const TokenSequence& sequence) const override {
    return with_prompt(sequence, rows);
  }
  Tensor rows;
};

/// One row without the layout: keys and values in front of its own, then a causal rule.
Tensor one_row(const Tensor& q, const Tensor& k, const Tensor& v, const KeysAndValues& before) {
  const std::int64_t seq = q.size(0), count = before.count();
  const Tensor keys = at::cat({before.keys, k}).repeat_interleave(q.size(1) / k.size(1), 1);
  const Tensor values = at::cat({before.values, v}).repeat_interleave(q.size(1) / k.size(1), 1);
  Tensor scores = at::einsum("qhd,khd->hqk", {q, keys}) / std::sqrt(static_cast<double>(q.size(2)));
  const Tensor hidden = torch::ones({seq, count + seq}, torch::kBool).triu(count + 1);
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {scores.softmax(-1), values}).reshape({seq, -1});
}

std::vector<AttentionPort*> attentions(const Decoder& decoder) {
  std::vector<AttentionPort*> found;
  for (const auto& module : decoder->modules()) {
    if (auto* port = dynamic_cast<AttentionPort*>(module.get())) found.push_back(port);
  }
  return found;
}

}  // namespace

class TestPlugs : public QObject {
  Q_OBJECT

 private slots:
  void a_linear_and_an_embedding() {
    Linear linear(4, 3, true, torch::TensorOptions(torch::kFloat32));
    const Tensor x = torch::randn({5, 4});
    const torch::NoGradGuard no_grad;
    for (Tensor& tensor : linear->parameters()) tensor.normal_();
    const Tensor plain = linear(x);
    const Twice twice;
    linear->plug = &twice;
    QVERIFY(torch::equal(linear(x), plain * 2));
    linear->plug = nullptr;
    QVERIFY(torch::equal(linear(x), plain));

    Embedding embedding(6, 3, torch::TensorOptions(torch::kFloat32));
    for (Tensor& tensor : embedding->parameters()) tensor.normal_();
    const Tensor ids = torch::arange(4, torch::kInt64);
    const NextRow next;
    embedding->plug = &next;
    QVERIFY(torch::equal(embedding(ids), embedding->lookup(ids + 1)));
  }

  void keys_before_every_row_data() {
    QTest::addColumn<std::vector<std::int64_t>>("lengths");
    QTest::newRow("equal") << std::vector<std::int64_t>{7, 7, 7};
    QTest::newRow("padded") << std::vector<std::int64_t>{5, 8, 6, 8};
    QTest::newRow("grouped") << std::vector<std::int64_t>{20, 120, 20, 30};
    QTest::newRow("one token") << std::vector<std::int64_t>{1, 1};
  }
  void keys_before_every_row() {
    QFETCH(std::vector<std::int64_t>, lengths);
    torch::manual_seed(5);
    const RowLayout rows(lengths);
    const Tensor q = torch::randn({rows.tokens(), 4, 8}), k = torch::randn({rows.tokens(), 2, 8}),
                 v = torch::randn({rows.tokens(), 2, 8});
    const KeysAndValues before{torch::randn({3, 2, 8}), torch::randn({3, 2, 8})};
    const AttentionRule rule;
    // the masks that a layout keeps are of the keys that there are
    const Tensor without = attend(q, k, v, rows, rule);
    const Tensor got = attend(q, k, v, rows, rule, {}, nullptr, 0, before);
    QVERIFY(torch::equal(attend(q, k, v, rows, rule), without));
    std::int64_t start = 0;
    for (const std::int64_t length : lengths) {
      const auto part = [&](const Tensor& x) { return x.slice(0, start, start + length); };
      QVERIFY(far(part(got), one_row(part(q), part(k), part(v), before)) < 1e-5);
      start += length;
    }
  }

  void a_decoder_behind_keys_and_values() {
    const torch::NoGradGuard no_grad;
    Decoder decoder = make_decoder();
    const TokenSequence rows = sequence_of(decoder, {6, 6});
    const Tensor plain = decoder->forward(rows, nullptr, false);
    const Before first(0), second(1);
    const std::vector<AttentionPort*> ports = attentions(decoder);
    QCOMPARE(ports.size(), std::size_t{2});
    ports[0]->attention_plug = &first, ports[1]->attention_plug = &second;
    const Tensor whole = decoder->forward(rows, nullptr, false);
    QVERIFY(far(whole, plain) > 1e-2);
    // A row's first position is behind the three in front: the same as saying so.
    TokenSequence said = rows;
    said.positions = rows.rows.positions(torch::kCPU);
    QVERIFY(torch::equal(decoder->forward(said, nullptr, false), whole));
    // Token by token from a cache.
    KeyValueCache cache(2, 6);
    std::vector<Tensor> steps;
    for (std::int64_t i = 0; i < 6; ++i) {
      TokenSequence one;
      one.rows = RowLayout({1, 1});
      one.embeddings = rows.embeddings.view({2, 6, kHidden}).select(1, i).contiguous();
      steps.push_back(decoder->forward(one, &cache, false));
    }
    QVERIFY(far(at::stack(steps, 1).reshape({12, kHidden}), whole) < 1e-5);
    ports[0]->attention_plug = ports[1]->attention_plug = nullptr;
    QVERIFY(torch::equal(decoder->forward(rows, nullptr, false), plain));
  }

  void a_decoder_behind_a_prompt() {
    const torch::NoGradGuard no_grad;
    Decoder decoder = make_decoder();
    const TokenSequence rows = sequence_of(decoder, {5, 7});
    const Prompt prompt;
    decoder->sequence_plug = &prompt;
    const Tensor got = decoder->forward(rows, nullptr, false);
    decoder->sequence_plug = nullptr;
    TokenSequence by_hand;
    by_hand.rows = RowLayout({9, 11});
    by_hand.embeddings = at::cat(
        {prompt.rows, rows.embeddings.slice(0, 0, 5), prompt.rows, rows.embeddings.slice(0, 5)});
    const Tensor all = decoder->forward(by_hand, nullptr, false);
    QVERIFY(far(got, at::cat({all.slice(0, 4, 9), all.slice(0, 13, 20)})) < 1e-5);
  }

  void a_prompt_and_a_cache() {
    const torch::NoGradGuard no_grad;
    Decoder decoder = make_decoder();
    const TokenSequence rows = sequence_of(decoder, {6, 6});
    const Prompt prompt;
    decoder->sequence_plug = &prompt;
    const Tensor whole = decoder->forward(rows, nullptr, false).view({2, 6, kHidden});
    KeyValueCache cache(2, 6);
    TokenSequence start = sequence_of(decoder, {4, 4});
    start.embeddings = rows.embeddings.view({2, 6, kHidden}).slice(1, 0, 4).reshape({8, kHidden});
    const Tensor first = decoder->forward(start, &cache, false).view({2, 4, kHidden});
    QVERIFY(far(first, whole.slice(1, 0, 4)) < 1e-5);
    for (std::int64_t i = 4; i < 6; ++i) {
      TokenSequence one;
      one.rows = RowLayout({1, 1});
      one.embeddings = rows.embeddings.view({2, 6, kHidden}).select(1, i).contiguous();
      QVERIFY(far(decoder->forward(one, &cache, false), whole.select(1, i)) < 1e-5);
    }
  }

  /// And blocks are given up, as PEFT gives them up.
  void places_move_with_the_text() {
    const Decoder decoder = make_decoder();
    TokenSequence rows = sequence_of(decoder, {2, 3});
    rows.blocks = torch::tensor({-1, 0, 1, 1, -1}, torch::kInt64);
    rows.deepstack_places = torch::tensor({1, 3}, torch::kInt64);
    const TokenSequence moved = with_prompt(rows, torch::zeros({2, kHidden}));
    QVERIFY(torch::equal(moved.own, torch::tensor({2, 3, 6, 7, 8}, torch::kInt64)));
    QVERIFY(torch::equal(moved.deepstack_places, torch::tensor({3, 7}, torch::kInt64)));
    QVERIFY(!moved.blocks.defined());
    QVERIFY(torch::equal(moved.embeddings.index_select(0, moved.own), rows.embeddings));
  }

  void branches_that_add_nothing() {
    const torch::NoGradGuard no_grad;
    Decoder decoder = make_decoder();
    const TokenSequence rows = sequence_of(decoder, {4});
    const Tensor plain = decoder->forward(rows, nullptr, false);
    const Nothing nothing;
    std::vector<BranchPort*> ports;
    for (const auto& module : decoder->modules()) {
      if (auto* port = dynamic_cast<BranchPort*>(module.get())) ports.push_back(port);
    }
    QCOMPARE(ports.size(), std::size_t{4});
    for (BranchPort* port : ports) {
      QCOMPARE(port->width(), kHidden);
      port->branch_plug = &nothing;
    }
    const Tensor got = decoder->forward(rows, nullptr, false);
    // Only the final norm is left of the decoder, and each branch was told the states it adds to.
    const Tensor x = rows.embeddings;
    QVERIFY(far(got, x * (x.square().mean(-1, true) + decoder->options.rms_norm_eps).rsqrt()) <
            1e-5);
    QVERIFY(torch::equal(nothing.told_x, x));
    for (BranchPort* port : ports) port->branch_plug = nullptr;
    QVERIFY(torch::equal(decoder->forward(rows, nullptr, false), plain));
  }
};

QTEST_GUILESS_MAIN(TestPlugs)
#include "test_plugs.moc"
