// SPDX-License-Identifier: GPL-3.0-or-later
// A family that lives here alone: a model that says the token after each token. It is made of the
// door's own pieces (a plan, a class that says what it can do), so what asks a model for something
// (generation, parts, tied heads) is asked of a shape that no real family has.
#include "engine/generate/generate.h"
#include "engine/methods/ports.h"
#include "engine/models/loaded_model.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

namespace {

struct ToyOptions {
  std::int64_t vocab_size = 0;
  bool tie_word_embeddings = false;
  bool writes = true;  ///< whether it can be asked for text
  bool warm = false;   ///< whether it holds a tensor of its own
};

/// Embeds a token as itself and predicts the next number: no layers, no cache to speak of.
class Toy : public Model, public Causal {
 public:
  Toy(const ToyOptions& o, const torch::TensorOptions& t) : options_(o) {
    declare_part("toys", "table");
    table_ = register_module("table", Embedding(o.vocab_size, o.vocab_size, t));
    head_ = o.tie_word_embeddings ? Linear(table_->weight)
                                  : Linear(o.vocab_size, o.vocab_size, false, t);
    register_module("lm_head", head_);
    if (o.warm) add_parameter("warmth", warmth_, {}, t);
    if (table_->weight.is_meta()) return;
    const torch::NoGradGuard no_grad;
    table_->weight.copy_(at::eye(o.vocab_size));
    if (!o.tie_word_embeddings) head_->weight.slot().copy_(at::eye(o.vocab_size).roll(1, 0));
  }

  Causal* causal() override { return options_.writes ? this : nullptr; }
  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = RowLayout(input.lengths);
    sequence.embeddings = table_->forward(input.input_ids);
    return sequence;
  }
  torch::Tensor decode(const TokenSequence& sequence, KeyValueCache* cache) override {
    if (cache) cache->advance(sequence.rows.longest());
    return sequence.own.defined() ? sequence.embeddings.index_select(0, sequence.own)
                                  : sequence.embeddings;
  }
  Linear head() override { return head_; }
  void start_own_tensors() override {
    if (warmth_.defined()) warmth_.fill_(3.1);
  }
  std::int64_t num_hidden_layers() const override { return 0; }
  ModelGeometry geometry() const override {
    ModelGeometry g;
    g.vocab_size = options_.vocab_size;
    return g;
  }

 private:
  ToyOptions options_;
  Embedding table_{nullptr};
  Linear head_{nullptr};
  torch::Tensor warmth_;
};

Result<Plan> read_toy(const Json& config, const std::filesystem::path& folder) {
  ToyOptions options;
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(options.vocab_size, json_int(config, "vocab_size", where));
  LUTHIER_TRY(options.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(options.writes, json_bool(config, "writes", where, true));
  LUTHIER_TRY(options.warm, json_bool(config, "warm", where, false));
  Plan plan;
  plan.build = builder<Toy>(options);
  return plan;
}

const Family toy_family{"toy", /*takes_pictures=*/false, read_toy, same_name, same_name};

const std::filesystem::path kTexts = std::filesystem::path(LUTHIER_TEST_DATA) / "data_room/chatml";

LoadedModel loaded_toy(Json config) {
  LoadedModel loaded;
  loaded.family = &toy_family;
  loaded.processor = ChatProcessor::load(kTexts, std::nullopt).take();
  config["vocab_size"] = loaded.processor->tokenizer().vocab_size();
  loaded.config = config;
  loaded.model = toy_family.read(config, kTexts)->made(torch::TensorOptions());
  return loaded;
}

Example prompt_of(std::vector<TokenId> ids) {
  Example example;
  example.input_ids = std::move(ids);
  return example;
}

}  // namespace

class TestToyFamily : public QObject {
  Q_OBJECT

 private slots:
  void a_plan_reads_the_configuration_once() {
    const auto plan = toy_family.read({{"vocab_size", 5}}, "somewhere");
    QVERIFY(plan && !plan->pictures);
    const auto model = plan->made(torch::TensorOptions().device(torch::kMeta));
    QCOMPARE(model->parameters().size(), std::size_t(2));
    const auto broken = toy_family.read({{"vocab_size", "5"}}, "somewhere");
    QVERIFY(!broken);
    QCOMPARE(broken.error().where, std::string("somewhere/config.json: vocab_size"));
  }

  void a_head_of_its_own_is_asked_for() {
    const auto plan = toy_family.read({{"vocab_size", 5}, {"tie_word_embeddings", true}}, "");
    const auto tied = plan->made(torch::TensorOptions());
    QCOMPARE(tied_weight(*tied), std::string("table.weight"));
    const auto own = plan->build(torch::TensorOptions(), HeadWeight::Own);
    QCOMPARE(tied_weight(*own), std::string());
    QVERIFY(own->named_parameters().contains("lm_head.weight"));
  }

  void parts_are_declared() {
    const auto model = toy_family.read({{"vocab_size", 5}}, "")->made(torch::TensorOptions());
    QCOMPARE(model->part_of("table.weight"), std::string("toys"));
    QCOMPARE(model->part_of("lm_head.weight"), std::string("language_model"));
    QCOMPARE(model->parts(), (std::vector<std::string>{"toys", "language_model"}));
    QVERIFY(!model->picture_tower());
  }

  void a_tensor_of_the_models_own_is_a_parameter_like_any_other() {
    const auto model =
        toy_family.read({{"vocab_size", 5}, {"warm", true}}, "")->made(torch::TensorOptions());
    QVERIFY(model->named_parameters().contains("warmth"));
    QCOMPARE(model->part_of("warmth"), std::string("language_model"));
    // no module that a plug could hang on or that could be saved beside one
    const Ports ports = list_ports(*model);
    for (const ModelModule& module : ports.modules)
      QVERIFY(!module.name.empty() && module.name != "warmth");
    // it starts at a value of its own, whatever weights are drawn
    const torch::NoGradGuard no_grad;
    model->start_own_tensors();
    QCOMPARE(model->named_parameters()["warmth"].item<float>(), 3.1f);
    // In bfloat16 it is rounded, and its own value is known.
    const Plan plan = toy_family.read({{"vocab_size", 5}, {"warm", true}}, "").take();
    const auto narrow = plan.made(torch::TensorOptions().dtype(torch::kBFloat16));
    const torch::Tensor held = narrow->named_parameters()["warmth"];
    const Draws draws = draw_weights(*narrow, plan, 1, {}).take();
    QCOMPARE(held.scalar_type(), torch::kBFloat16);
    QCOMPARE(held.item<float>(), torch::tensor(3.1f).to(torch::kBFloat16).item<float>());
    QCOMPARE(drawn_again(draws.at("warmth"), {}).item<float>(), 3.1f);
    // loading packed weights places tensors anew: this one, too
    auto shapes = toy_family.read({{"vocab_size", 5}, {"warm", true}}, "")
                      ->made(torch::TensorOptions().device(torch::kMeta));
    PackingPlan packing;
    place_tensors(*shapes, torch::TensorOptions(), packing);
    QVERIFY(!shapes->named_parameters()["warmth"].is_meta());
  }

  void it_answers() {
    LoadedModel toy = loaded_toy(Json::object());
    toy.eos_ids = {14};
    GenerationOptions options;
    options.max_new_tokens = 4;
    const auto answers = generate(toy, {prompt_of({3, 5}), prompt_of({12})}, options);
    QVERIFY2(answers, answers ? "" : answers.error().sentence().c_str());
    const auto ids = [&](std::size_t i) {
      std::vector<TokenId> found;
      for (const AnswerToken& token : (*answers)[i].tokens) found.push_back(token.id);
      return found;
    };
    QCOMPARE(ids(0), (std::vector<TokenId>{6, 7, 8, 9}));
    QCOMPARE((*answers)[0].finish, std::string("length"));
    QCOMPARE(ids(1), (std::vector<TokenId>{13, 14}));
    QCOMPARE((*answers)[1].finish, std::string("eos"));
  }

  void what_it_cannot_do_is_refused_by_name() {
    const LoadedModel mute = loaded_toy({{"writes", false}});
    const auto answers = generate(mute, {prompt_of({3})}, {});
    QVERIFY(!answers);
    QVERIFY(answers.error().what.find("toy") != std::string::npos);
    QVERIFY(mute.model->output_head().is_empty());
    QVERIFY(!check_writes_text(mute) && check_writes_text(loaded_toy(Json::object())));
  }
};

QTEST_APPLESS_MAIN(TestToyFamily)
#include "test_toy_family.moc"
