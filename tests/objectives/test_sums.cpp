// SPDX-License-Identifier: GPL-3.0-or-later
// A window may be split into micro-batches as memory wants it: losses and gradients of the parts
// sum up to those of the whole. And the chunked cross-entropy against the formula.
#include "tests/train/watched_run.h"

#include "engine/nn/linear.h"
#include "engine/objectives/head_loss.h"
#include "engine/objectives/objective.h"
#include "tests/nn/central_differences.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

ModelInput rows(const std::vector<std::int64_t>& lengths) {
  ModelInput input;
  std::vector<std::int64_t> ids;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    for (std::int64_t i = 0; i < lengths[row]; ++i)
      ids.push_back(5 + (i * 7 + static_cast<std::int64_t>(row) * 13) % 90);
  }
  input.lengths = lengths;
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = input.input_ids.clone();
  std::int64_t at = 0;
  for (const std::int64_t length : lengths) {
    input.labels.slice(0, at, at + length / 3).fill_(kIgnoreLabel);
    at += length;
  }
  return input;
}

ModelInput part_of_rows(const ModelInput& whole, std::size_t begin, std::size_t end) {
  ModelInput part;
  std::int64_t from = 0, to = 0;
  for (std::size_t i = 0; i < end; ++i) {
    if (i < begin) from += whole.lengths[i];
    to += whole.lengths[i];
  }
  part.lengths.assign(whole.lengths.begin() + static_cast<std::ptrdiff_t>(begin),
                      whole.lengths.begin() + static_cast<std::ptrdiff_t>(end));
  part.input_ids = whole.input_ids.slice(0, from, to);
  part.labels = whole.labels.slice(0, from, to);
  return part;
}

}  // namespace

class TestSums : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void parts_sum_up_to_the_whole() {
    TinyRun tiny;
    auto loaded = load(tiny.recipe("run"));
    QVERIFY(loaded.ok());
    Model& model = *loaded->model;
    std::vector<Tensor> trained;
    for (auto& item : model.named_parameters()) {
      if (item.key().find("language_model") == std::string::npos) continue;
      item.value().set_requires_grad(true);
      trained.push_back(item.value());
    }
    const ModelInput whole = rows({19, 7, 1, 12, 30});
    const LossSum at_once = sft_loss(model, whole);
    const auto wanted = torch::autograd::grad({at_once.sum}, trained, {}, {}, false, true);
    double sum = 0;
    std::int64_t count = 0;
    std::vector<Tensor> got(trained.size());
    for (const auto& [begin, end] :
         std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}, {1, 4}, {4, 5}}) {
      const LossSum part = sft_loss(model, part_of_rows(whole, begin, end));
      sum += part.sum.item<double>();
      count += part.count;
      const auto gradients = torch::autograd::grad({part.sum}, trained, {}, {}, false, true);
      for (std::size_t i = 0; i < trained.size(); ++i) {
        if (gradients[i].defined())
          got[i] = got[i].defined() ? got[i] + gradients[i] : gradients[i];
      }
    }
    QCOMPARE(count, at_once.count);
    QCOMPARE(count, std::int64_t(13 + 5 + 0 + 8 +
                                 20));  // of each row what is labelled, but its first token
    QVERIFY(std::abs(sum - at_once.sum.item<double>()) < 1e-5 * sum);
    for (std::size_t i = 0; i < trained.size(); ++i) {
      QCOMPARE(got[i].defined(), wanted[i].defined());
      if (!got[i].defined()) continue;
      const double scale = wanted[i].abs().max().item<double>();
      QVERIFY((got[i] - wanted[i]).abs().max().item<double>() < 1e-5 * std::max(scale, 1e-3));
    }
  }

  void cross_entropy_in_chunks_is_the_formula() {
    torch::manual_seed(2);
    // 6000 rows of 1500 make more than one chunk
    for (const auto& [count, vocabulary] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{9, 40}, {6000, 1500}}) {
      const Linear head(12, vocabulary, true, torch::TensorOptions());
      Tensor weight = head->weight.dense();  // the tensor itself
      {
        const torch::NoGradGuard no_grad;
        weight.copy_(torch::randn({vocabulary, 12}));
        head->bias.copy_(torch::randn({vocabulary}));
      }
      const Tensor hidden = torch::randn({count, 12}).set_requires_grad(true);
      const Tensor target = torch::randint(vocabulary, {count}, torch::kInt64);
      const std::vector<Tensor> inputs{hidden, weight.set_requires_grad(true),
                                       head->bias.set_requires_grad(true)};
      const Tensor got = chunked_cross_entropy(hidden, head, target);
      const Tensor wanted =
          at::cross_entropy_loss(at::linear(hidden.to(torch::kFloat64), weight.to(torch::kFloat64),
                                            head->bias.to(torch::kFloat64)),
                                 target, {}, at::Reduction::Sum);
      QVERIFY(std::abs(got.item<double>() / wanted.item<double>() - 1) < 1e-5);
      const auto mine = torch::autograd::grad({got}, inputs),
                 theirs = torch::autograd::grad({wanted}, inputs);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const double scale = theirs[i].abs().max().item<double>();
        QVERIFY((mine[i] - theirs[i]).abs().max().item<double>() < 2e-5 * scale);
      }
      if (count > 100) continue;
      QVERIFY(slope_error(inputs, [&] {
                return chunked_cross_entropy(hidden, head, target).to(torch::kFloat64);
              }) < 2e-3);
    }
  }

  /// Rows that only fill up have no part in the sum or in any gradient.
  void rows_of_no_share_count_nothing_data() {
    QTest::addColumn<bool>("narrow");
    QTest::addColumn<bool>("plugged");
    for (const bool narrow : {false, true})
      for (const bool plugged : {false, true})
        QTest::addRow("%s, %s", narrow ? "bfloat16" : "float32", plugged ? "adapted" : "plain")
            << narrow << plugged;
  }
  void rows_of_no_share_count_nothing() {
    QFETCH(bool, narrow);
    QFETCH(bool, plugged);
    torch::manual_seed(5);
    const auto options = torch::TensorOptions().dtype(narrow ? torch::kBFloat16 : torch::kFloat32);
    constexpr std::int64_t kCounted = 50, kFilled = 14, kVocabulary = 40;
    Linear head(12, kVocabulary, true, options);
    Tensor weight = head->weight.dense();  // the tensor itself
    {
      const torch::NoGradGuard no_grad;
      weight.copy_(torch::randn({kVocabulary, 12}));
      head->bias.copy_(torch::randn({kVocabulary}));
    }
    weight.set_requires_grad(true), head->bias.set_requires_grad(true);
    class Same : public LinearPlug {
     public:
      Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
        return at::linear(x, linear.weight.leaf(), linear.bias);
      }
    } same;
    if (plugged) head->plug = &same;
    const Tensor all = torch::randn({kCounted + kFilled, 12}).to(options).set_requires_grad(true);
    const Tensor target = torch::randint(kVocabulary, {kCounted + kFilled}, torch::kInt64);
    const Tensor shares = at::cat({torch::ones({kCounted}), torch::zeros({kFilled})});
    const Tensor filled = chunked_cross_entropy(all, head, target, shares),
                 alone = chunked_cross_entropy(all.slice(0, 0, kCounted), head,
                                               target.slice(0, 0, kCounted));
    QVERIFY(std::abs(filled.item<double>() / alone.item<double>() - 1) < 1e-6);
    const std::vector<Tensor> inputs{all, weight, head->bias};
    const auto mine = torch::autograd::grad({filled}, inputs),
               theirs = torch::autograd::grad({alone}, inputs);
    QVERIFY((mine[0].slice(0, kCounted) == 0).all().item<bool>());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const double size = theirs[i].to(torch::kFloat32).norm().item<double>(),
                   far = (mine[i] - theirs[i]).to(torch::kFloat32).norm().item<double>();
      QVERIFY2(far <= (narrow ? 4e-3 : 1e-6) * size,
               qPrintable(QString("%1: %2 of %3").arg(i).arg(far).arg(size)));
    }
  }

  /// A window's count divides all gradients: its reciprocal rounded to bfloat16 would be off by up
  /// to 0.2 % in all of them alike.
  void what_divides_a_bfloat16_loss_is_not_rounded() {
    torch::manual_seed(4);
    const auto narrow = torch::TensorOptions().dtype(torch::kBFloat16);
    const Linear head(12, 40, false, narrow);
    {
      const torch::NoGradGuard no_grad;
      Tensor weight = head->weight.dense();  // the tensor itself
      weight.copy_(torch::randn({40, 12}));
    }
    const Tensor hidden = torch::randn({50, 12}, narrow).set_requires_grad(true);
    const Tensor target = torch::randint(40, {50}, torch::kInt64);
    const auto gradient = [&](double divisor) {
      const Tensor loss = chunked_cross_entropy(hidden, head, target) / divisor;
      return torch::autograd::grad({loss}, {hidden})[0];
    };
    const Tensor whole = gradient(1).to(torch::kFloat32);
    for (const double divisor : {37.0, 41.0, 1021.0}) {
      const Tensor wanted = (whole * static_cast<float>(1 / divisor)).to(torch::kBFloat16);
      QVERIFY(at::allclose(gradient(divisor), wanted, 0, 0));
    }
  }
};

QTEST_GUILESS_MAIN(TestSums)
#include "test_sums.moc"
