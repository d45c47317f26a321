// SPDX-License-Identifier: GPL-3.0-or-later
// Checkpoints with scaled rotary positions: what config.json says afterwards, which models have
// none to scale, and that the folder loads with the same weights and other positions.
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/models/rope_scaling.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

Json llama(const Json& more = Json::object()) {
  Json config = {{"model_type", "llama"},    {"vocab_size", 32},
                 {"hidden_size", 32},        {"intermediate_size", 48},
                 {"num_hidden_layers", 2},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 64},
                 {"rope_theta", 20000.0}};
  for (const auto& [key, value] : more.items()) config[key] = value;
  return config;
}

QString refused(const Result<Json>& result) {
  return result ? QString("not refused") : QString::fromStdString(result.error().sentence());
}

}  // namespace

class TestRopeScaling : public QObject {
  Q_OBJECT

 private slots:
  void config_says_the_scaling_as_transformers_does() {
    for (const char* type : {"linear", "dynamic", "yarn", "llama3"}) {
      const auto made = scaled_config(llama(), "model", {type, 4, {}, Json::object()});
      QVERIFY2(made.ok(), made.ok() ? "" : made.error().sentence().c_str());
      const Json& rope = (*made)["rope_parameters"];
      QCOMPARE(rope["rope_type"].get<std::string>(), std::string(type));
      QCOMPARE(rope["factor"].get<double>(), 4.0);
      QCOMPARE(rope["rope_theta"].get<double>(), 20000.0);
      const bool dynamic = type == std::string("dynamic");
      QCOMPARE((*made)["max_position_embeddings"].get<int>(), dynamic ? 64 : 256);
      QCOMPARE(rope.contains("original_max_position_embeddings"),
               type == std::string("yarn") || type == std::string("llama3"));
    }
    const Json factors = std::vector<double>(4, 2.0);
    const auto longrope =
        scaled_config(llama(), "model",
                      {"longrope", 2, 48, {{"short_factor", factors}, {"long_factor", factors}}});
    QVERIFY2(longrope.ok(), longrope.ok() ? "" : longrope.error().sentence().c_str());
    QCOMPARE((*longrope)["rope_parameters"]["original_max_position_embeddings"].get<int>(), 48);
    QCOMPARE((*longrope)["max_position_embeddings"].get<int>(), 96);
  }

  /// A scaling that was there gives way, in either place of the file.
  void an_older_scaling_gives_way() {
    const Json old = llama({{"rope_scaling",
                             {{"type", "yarn"},
                              {"factor", 2.0},
                              {"beta_fast", 16.0},
                              {"original_max_position_embeddings", 32}}}});
    const auto made = scaled_config(old, "model", {"linear", 4, {}, Json::object()});
    QVERIFY(made.ok());
    QVERIFY(!made->contains("rope_scaling"));
    QVERIFY(!(*made)["rope_parameters"].contains("beta_fast"));
    QCOMPARE((*made)["max_position_embeddings"].get<int>(), 128);  // of the original 32
  }

  void refusals() {
    const Json none = Json::object();
    QVERIFY(refused(scaled_config(llama(), "model", {"cubic", 2, {}, none})).contains("cubic"));
    QVERIFY(refused(scaled_config(llama(), "model", {"linear", 1, {}, none})).contains("above 1"));
    QVERIFY(
        refused(scaled_config(llama(), "model", {"linear", NAN, {}, none})).contains("above 1"));
    QVERIFY(
        refused(scaled_config(llama(), "model", {"longrope", 2, {}, none})).contains("longrope"));
    QVERIFY(refused(scaled_config(llama(), "model", {"yarn", 2, {}, {{"beta_fast", -1}}}))
                .contains("beta"));
    QVERIFY(refused(scaled_config({{"model_type", "nothing"}}, "model", {})).contains("nothing"));
    const Json layers =
        llama({{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}});
    QVERIFY(!scaled_config(layers, "model", {}).ok());
    const Json bert = {
        {"model_type", "bert"},         {"vocab_size", 32},       {"hidden_size", 32},
        {"intermediate_size", 48},      {"num_hidden_layers", 1}, {"num_attention_heads", 4},
        {"max_position_embeddings", 64}};
    QVERIFY(refused(scaled_config(bert, "model", {})).contains("no rotary positions"));
  }

  void the_folder_loads_with_the_same_weights() {
    const TinyRun tiny;
    LoadOptions load;
    load.device = "cpu";
    load.dtype = "float32";
    load.random_weights = true;
    auto drawn = load_model(tiny.root() / "model", load);
    QVERIFY(drawn.ok());
    const fs::path base = tiny.root() / "base", longer = tiny.root() / "longer";
    QVERIFY(save_model(*drawn, base, torch::kFloat32).ok());
    const Status made = write_scaled_checkpoint(base, longer, {"linear", 4, {}, Json::object()});
    QVERIFY2(made.ok(), made.ok() ? "" : made.error().sentence().c_str());
    QCOMPARE(*sha256_file(longer / "model.safetensors"), *sha256_file(base / "model.safetensors"));
    QVERIFY(fs::exists(longer / "tokenizer.json"));
    load.random_weights = false;
    auto before = load_model(base, load), after = load_model(longer, load);
    QVERIFY2(after.ok(), after.ok() ? "" : after.error().sentence().c_str());
    QCOMPARE(after->config["text_config"]["rope_parameters"]["factor"].get<double>(), 4.0);
    Example words;
    for (TokenId id = 5; id < 45; ++id) words.input_ids.push_back(id);
    const torch::NoGradGuard no_grad;
    const torch::Tensor one = states_before_head(*before->model, collate({words})),
                        other = states_before_head(*after->model, collate({words}));
    QVERIFY(torch::allclose(one[0], other[0], 1e-5, 1e-5));  // the first position turns nothing
    QVERIFY(!torch::allclose(one[39], other[39], 1e-3, 1e-3));
    // Nothing is written over, and what is no checkpoint is said to be none.
    QVERIFY(!write_scaled_checkpoint(base, base, {}).ok());
    QVERIFY(!write_scaled_checkpoint(tiny.root() / "gone", tiny.root() / "x", {}).ok());
  }
};

QTEST_GUILESS_MAIN(TestRopeScaling)
#include "test_rope_scaling.moc"
