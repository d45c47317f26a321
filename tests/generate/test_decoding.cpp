// SPDX-License-Identifier: GPL-3.0-or-later
// Decoding with a cache gives the tokens of whole passes, each prompt answers in a batch as it does
// alone, and an active adapter has its say in both.
#include "tests/train/watched_run.h"

#include <set>

#include "engine/generate/generate.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

class Base {
 public:
  Base() {
    at::set_num_threads(1);
    loaded = std::make_unique<LoadedModel>(*load(tiny_.recipe("run")));
    const torch::NoGradGuard no_grad;
    for (Tensor& tensor : loaded->model->parameters()) {
      if (tensor.dim() > 1) tensor.mul_(6);  // so that answers differ
    }
    options.max_new_tokens = 12;
    options.ignore_eos = true;
  }
  Example prompt(int length, int start, bool picture) const {
    Example example;
    if (picture) {
      example.input_ids.assign(4, loaded->processor->image_token_id());
      PixelValues pixels;
      pixels.shape = {1, 3, 28, 28};
      for (int i = 0; i < 3 * 28 * 28; ++i)
        pixels.values.push_back(0.01f * static_cast<float>((i * start) % 97));
      example.images.push_back(std::move(pixels));
    }
    for (int i = 0; static_cast<int>(example.input_ids.size()) < length; ++i)
      example.input_ids.push_back(static_cast<TokenId>(5 + (start + i * 3) % 90));
    return example;
  }
  std::vector<std::int64_t> answered(const Generated& answer) const {
    std::vector<std::int64_t> ids;
    for (const AnswerToken& token : answer.tokens) ids.push_back(token.id);
    return ids;
  }
  /// Greedy, without a cache: every token by a pass over all before it.
  std::pair<std::vector<std::int64_t>, std::vector<double>> by_whole_passes(Example example) const {
    const torch::NoGradGuard no_grad;
    Model& model = *loaded->model;
    std::pair<std::vector<std::int64_t>, std::vector<double>> answer;
    for (std::int64_t i = 0; i < options.max_new_tokens; ++i) {
      const Tensor hidden = model.decode(model.embed(collate({example})), nullptr);
      const Tensor logs = model.head()->forward(hidden.slice(0, -1)).squeeze(0).log_softmax(-1);
      const std::int64_t best = logs.argmax().item<std::int64_t>();
      answer.first.push_back(best);
      answer.second.push_back(logs[best].item<double>());
      example.input_ids.push_back(static_cast<TokenId>(best));
    }
    return answer;
  }

  std::unique_ptr<LoadedModel> loaded;
  GenerationOptions options;
  TinyRun tiny_;
};

}  // namespace

class TestDecoding : public QObject {
  Q_OBJECT

 private slots:
  void with_a_cache_as_by_whole_passes_data() {
    QTest::addColumn<bool>("adapted");
    QTest::newRow("the base") << false;
    QTest::newRow("with an adapter") << true;
  }
  void with_a_cache_as_by_whole_passes() {
    QFETCH(bool, adapted);
    const Base base;
    std::shared_ptr<Adapter> adapter;
    const auto plain = generate(*base.loaded, {base.prompt(14, 3, false)}, base.options);
    QVERIFY(plain.ok());
    if (adapted) {
      auto made = create_adapter(*base.loaded, "lora", base.tiny_.recipe("run").adapter, 3);
      QVERIFY(made.ok());
      adapter = *made;
      const torch::NoGradGuard no_grad;
      for (auto [key, tensor] : adapter->tensors()) tensor.add_(0.05);
      adapter->activate();
    }
    for (const bool picture : {false, true}) {
      const Example prompt = base.prompt(14, 3, picture);
      const auto got = generate(*base.loaded, {prompt}, base.options);
      QVERIFY(got.ok());
      const auto [ids, logprobs] = base.by_whole_passes(prompt);
      QCOMPARE(base.answered(got->front()), ids);
      for (std::size_t i = 0; i < logprobs.size(); ++i)
        QVERIFY(std::abs(got->front().tokens[i].logprob - logprobs[i]) < 1e-4);
      if (!picture) QCOMPARE(base.answered(got->front()) != base.answered(plain->front()), adapted);
    }
  }

  /// Rows of several adapters and of none in one batch, some of which end early; one adapter swaps
  /// the head and has a batch to itself.
  void each_under_its_own_adapter_as_alone() {
    const Base base;
    std::vector<std::shared_ptr<Adapter>> adapters;
    for (const char* setting : {"adapter.r=4", "adapter.target_modules=[q_proj, fc1, embed_tokens]",
                                "adapter.modules_to_save=[lm_head]"}) {
      auto made = create_adapter(*base.loaded, "lora", base.tiny_.recipe("run", {setting}).adapter,
                                 adapters.size());
      QVERIFY(made.ok());
      auto generator = at::make_generator<at::CPUGeneratorImpl>(adapters.size());
      const torch::NoGradGuard no_grad;
      for (auto [key, tensor] : (*made)->tensors())
        tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.1, generator));
      adapters.push_back(*made);
    }
    std::vector<Example> prompts;
    std::vector<Adapter*> own;
    std::vector<AskedAnswer> asked;
    for (const bool picture : {false, true}) {
      for (std::size_t i = 0; i <= adapters.size(); ++i) {
        prompts.push_back(base.prompt(14, 3 + static_cast<int>(i), picture));
        own.push_back(i < adapters.size() ? adapters[i].get() : nullptr);
        asked.push_back({asked.size(), own.back()});
      }
    }
    for (const double temperature : {0.0, 0.9}) {
      GenerationOptions options = base.options;
      options.temperature = temperature;
      options.ignore_eos = false;
      const auto together = generate_by(*base.loaded, prompts, asked, options);
      QVERIFY2(together.ok(), together ? "" : together.error().sentence().c_str());
      std::set<std::vector<std::int64_t>> unlike;
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        if (own[i]) own[i]->activate();
        const std::vector<std::uint64_t> draws{i};
        const auto alone = generate(*base.loaded, {prompts[i]}, options, {}, draws);
        if (own[i]) own[i]->deactivate();
        QVERIFY(alone.ok());
        QCOMPARE(base.answered((*together)[i]), base.answered(alone->front()));
        QCOMPARE((*together)[i].text, alone->front().text);
        for (std::size_t t = 0; t < alone->front().tokens.size(); ++t)
          QVERIFY(std::abs((*together)[i].tokens[t].logprob - alone->front().tokens[t].logprob) <
                  1e-4);
        unlike.insert(base.answered(alone->front()));
      }
      QVERIFY(unlike.size() > adapters.size());
    }
    QVERIFY(!generate_by(*base.loaded, prompts, {{prompts.size(), nullptr}}, base.options).ok());
  }

  /// Adapters of the decoder alone: the tower looks once at what all columns show.
  void columns_share_what_the_tower_sees() {
    const Base base;
    std::vector<std::shared_ptr<Adapter>> adapters;
    for (const char* rank : {"adapter.r=4", "adapter.r=8"}) {
      auto made = create_adapter(
          *base.loaded, "lora",
          base.tiny_.recipe("run", {rank, "adapter.target_modules=.*language_model.*q_proj"})
              .adapter,
          adapters.size());
      QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
      auto generator = at::make_generator<at::CPUGeneratorImpl>(adapters.size());
      const torch::NoGradGuard no_grad;
      for (auto [key, tensor] : (*made)->tensors())
        tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.2, generator));
      adapters.push_back(*made);
    }
    // Some columns have the prompt in common, others only what it shows; of so many answers the
    // last come in when others have ended, to a prompt that was read before.
    std::vector<Example> prompts;
    std::vector<AskedAnswer> asked;
    for (const int sample : {3, 11, 20, 5, 8, 13, 17, 22, 25}) {
      prompts.push_back(base.prompt(14, sample, true));
      prompts.push_back(base.prompt(14, sample, true));
      for (Adapter* adapter : {adapters[0].get(), static_cast<Adapter*>(nullptr)})
        for (const std::size_t which : {std::size_t{2}, std::size_t{1}})
          asked.push_back({prompts.size() - which, adapter});
      asked.push_back({prompts.size() - 2, adapters[1].get()});
    }
    const auto together = generate_by(*base.loaded, prompts, asked, base.options);
    QVERIFY2(together.ok(), together ? "" : together.error().sentence().c_str());
    std::set<std::vector<std::int64_t>> unlike;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto alone = generate_by(*base.loaded, {prompts[asked[i].prompt]},
                                     {{0, asked[i].adapter}}, base.options);
      QVERIFY(alone.ok());
      QCOMPARE(base.answered((*together)[i]), base.answered(alone->front()));
      for (std::size_t t = 0; t < alone->front().tokens.size(); ++t)
        QVERIFY(std::abs((*together)[i].tokens[t].logprob - alone->front().tokens[t].logprob) <
                1e-5);
      unlike.insert(base.answered(alone->front()));
    }
    QVERIFY(unlike.size() > 3);
  }

  void in_a_batch_as_alone() {
    const Base base;
    const std::vector<Example> prompts{base.prompt(14, 3, false), base.prompt(9, 5, false),
                                       base.prompt(14, 40, true), base.prompt(14, 8, true),
                                       base.prompt(6, 70, false)};
    for (const double temperature : {0.0, 0.9}) {
      GenerationOptions options = base.options;
      options.temperature = temperature;
      const std::vector<std::uint64_t> draws{11, 12, 13, 14, 15};
      const auto together = generate(*base.loaded, prompts, options, {}, draws);
      QVERIFY(together.ok());
      std::set<std::vector<std::int64_t>> different;
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        const auto alone = generate(*base.loaded, {prompts[i]}, options, {}, {&draws[i], 1});
        QVERIFY(alone.ok());
        QCOMPARE(base.answered((*together)[i]), base.answered(alone->front()));
        different.insert(base.answered(alone->front()));
      }
      QVERIFY(different.size() >= 4);
    }
  }
};

QTEST_GUILESS_MAIN(TestDecoding)
#include "test_decoding.moc"
