// SPDX-License-Identifier: GPL-3.0-or-later
// A model of two texts that lives here alone: it reads a prompt once and writes from its start
// token on. With a cache as by whole passes, in a batch as alone, and what is read of a prompt.
#include "engine/generate/generate.h"
#include "engine/models/blocks/branches.h"
#include "engine/models/loaded_model.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include <set>

using namespace luthier;
using torch::Tensor;

namespace {

const std::filesystem::path kTexts = std::filesystem::path(LUTHIER_TEST_DATA) / "data_room/chatml";
constexpr std::int64_t kWidth = 24, kHeads = 4;

/// One layer that looks back and across.
class Toy : public Model, public SequenceToSequence {
 public:
  explicit Toy(std::int64_t words) {
    const torch::TensorOptions options;
    table_ = register_module("table", Embedding(words, kWidth, options));
    head_ = register_module("head", Linear(kWidth, words, false, options));
    for (int i = 0; i < 8; ++i) {
      products_.emplace_back(kWidth, kWidth, false, options);
      register_module("product" + std::to_string(i), products_.back());
    }
    torch::manual_seed(4);
    const torch::NoGradGuard no_grad;
    for (Tensor& parameter : parameters()) parameter.normal_(0, 0.5);
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  RowStates encode(const ModelInput& input) override {
    ++encoded;
    return {table_->forward(input.source_ids).tanh(), RowLayout(input.source_lengths)};
  }
  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows(input.lengths);
    const LayerFrame frame{rows, nullptr, &memory, cache};
    Tensor x = table_->forward(input.input_ids);
    Linear* p = products_.data();
    x = x + attend_within(x, frame, p[0], p[1], p[2], p[3], kHeads, AttentionRule());
    x = x + attend_memory(x, frame, p[4], p[5], p[6], p[7], kHeads, AttentionRule());
    if (cache) cache->advance(rows.longest());
    return x;
  }
  Linear head() override { return head_; }
  TokenId start_token() const override { return 3; }
  std::int64_t decoder_layers() const override { return 1; }
  ModelGeometry geometry() const override { return {}; }

  int encoded = 0;

 private:
  Embedding table_{nullptr};
  Linear head_{nullptr};
  std::vector<Linear> products_;
};

const Family toy_family{"toy", /*takes_pictures=*/false, nullptr, same_name, same_name};

struct Base {
  Base() {
    at::set_num_threads(1);
    loaded.family = &toy_family;
    loaded.processor = ChatProcessor::load(kTexts, std::nullopt, {}, 0, RowForm::Source).take();
    model = std::make_shared<Toy>(loaded.processor->tokenizer().vocab_size());
    loaded.model = model;
    options.max_new_tokens = 9;
  }
  Example prompt(std::vector<TokenId> ids) const {
    Example example;
    example.source_ids = std::move(ids);
    return example;
  }
  std::vector<TokenId> ids(const Generated& answer) const {
    std::vector<TokenId> found;
    for (const AnswerToken& token : answer.tokens) found.push_back(token.id);
    return found;
  }
  std::vector<TokenId> by_whole_passes(const Example& prompt) const {
    const torch::NoGradGuard no_grad;
    Example example = prompt;
    example.input_ids = {model->start_token()};
    for (std::int64_t i = 0; i < options.max_new_tokens; ++i) {
      const Tensor states = states_before_head(*model, collate({example}));
      const Tensor logits = model->output_head()->forward(states.slice(0, -1));
      example.input_ids.push_back(logits.argmax().item<std::int64_t>());
    }
    example.input_ids.erase(example.input_ids.begin());
    return example.input_ids;
  }

  LoadedModel loaded;
  std::shared_ptr<Toy> model;
  GenerationOptions options;
};

}  // namespace

class TestRewriting : public QObject {
  Q_OBJECT

 private slots:
  void with_a_cache_as_by_whole_passes() {
    const Base base;
    std::set<std::vector<TokenId>> different;
    for (const TokenId first : {7, 20, 33}) {
      const Example prompt = base.prompt({first, 8, 15, 9, first + 1});
      base.model->encoded = 0;
      const auto got = generate(base.loaded, {prompt}, base.options);
      QVERIFY2(got, got ? "" : got.error().sentence().c_str());
      QCOMPARE(base.model->encoded, 1);
      QCOMPARE(got->front().prompt_tokens, std::int64_t{5});
      QCOMPARE(base.ids(got->front()), base.by_whole_passes(prompt));
      different.insert(base.ids(got->front()));
    }
    QVERIFY(different.size() > 1);
  }

  void in_a_batch_as_alone() {
    Base base;
    const std::vector<Example> prompts{base.prompt({5, 9, 12}), base.prompt({40, 2, 7}),
                                       base.prompt({11, 6}), base.prompt({30, 31, 32})};
    for (const double temperature : {0.0, 0.9}) {
      base.options.temperature = temperature;
      const std::vector<std::uint64_t> draws{1, 2, 3, 4};
      const auto free = generate(base.loaded, prompts, base.options, {}, draws);
      QVERIFY(free);
      // One of them ends early and leaves the batch.
      base.loaded.eos_ids = {free->front().tokens[2].id};
      const auto together = generate(base.loaded, prompts, base.options, {}, draws);
      QVERIFY(together);
      QCOMPARE((*together)[0].finish, std::string("eos"));
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        const auto alone = generate(base.loaded, {prompts[i]}, base.options, {}, {&draws[i], 1});
        QVERIFY(alone);
        QCOMPARE(base.ids((*together)[i]), base.ids(alone->front()));
      }
      base.loaded.eos_ids.clear();
    }
  }

  void a_prompt_is_one_text() {
    const Base base;
    const ContentPart text{ContentPart::Kind::Text, "What is it?", {}};
    Conversation asked;
    asked.messages = {{"user", {text}, nullptr}};
    const auto prompt = base.loaded.processor->encode_prompt(asked, "row");
    QVERIFY2(prompt, prompt ? "" : prompt.error().sentence().c_str());
    QVERIFY(prompt->input_ids.empty());
    QCOMPARE(prompt->source_ids,
             base.loaded.processor->tokenizer().encode("What is it?", true)->ids);
    // An answer that stands behind it is what would be compared with.
    asked.messages.push_back({"assistant", {text}, nullptr});
    QCOMPARE(base.loaded.processor->encode_prompt(asked, "row")->source_ids, prompt->source_ids);
    // And what is learned: a text of its own, whose tokens all carry the loss, behind the one that
    // it begins with.
    const auto learned = base.loaded.processor->encode_training(asked, LossOn::All, 0, "row 3");
    QVERIFY2(learned, learned ? "" : learned.error().sentence().c_str());
    QCOMPARE(learned->source_ids, prompt->source_ids);
    QVERIFY(std::equal(learned->labels.begin() + 1, learned->labels.end(),
                       prompt->source_ids.begin(), prompt->source_ids.end()));
    asked.messages.push_back({"user", {text}, nullptr});
    QVERIFY(!base.loaded.processor->encode_prompt(asked, "row"));
    const auto several = base.loaded.processor->encode_training(asked, LossOn::All, 0, "row 3");
    QVERIFY(!several);
    QCOMPARE(several.error().where, std::string("row 3"));
  }
};

QTEST_APPLESS_MAIN(TestRewriting)
#include "test_rewriting.moc"
