// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of GLM-V: refusals of configurations, what files leave out, and that
// features which turn as neighbours are the ones that meet.
#include "engine/models/glm4v/glm4v.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

namespace {

const Json config = {
    {"model_type", "glm4v"},
    {"image_token_id", 7},
    {"text_config",
     {{"vocab_size", 40},
      {"hidden_size", 16},
      {"intermediate_size", 24},
      {"num_hidden_layers", 1},
      {"num_attention_heads", 2},
      {"num_key_value_heads", 1},
      {"rope_parameters", {{"partial_rotary_factor", 0.5}, {"mrope_section", {1, 1, 0}}}}}},
    {"vision_config",
     {{"depth", 2},
      {"hidden_size", 16},
      {"out_hidden_size", 16},
      {"intermediate_size", 20},
      {"num_heads", 2},
      {"patch_size", 2},
      {"image_size", 8}}}};

Result<QwenVlOptions> read(const Json& patch) {
  Json whole = config;
  whole.merge_patch(patch);
  return read_qwen_vl_options(glm4v_generation, whole, "config.json");
}

/// x·cos + (−x₂ᵢ₊₁, x₂ᵢ)·sin over the first features.
torch::Tensor turned_as_neighbours(const torch::Tensor& x, const torch::Tensor& angles) {
  const std::int64_t dimension = 2 * angles.size(1);
  const torch::Tensor front = x.slice(2, 0, dimension);
  const torch::Tensor even = front.slice(2, 0, dimension, 2), odd = front.slice(2, 1, dimension, 2);
  const torch::Tensor cosine = angles.cos().unsqueeze(1), sine = angles.sin().unsqueeze(1);
  const torch::Tensor turned =
      torch::stack({even * cosine - odd * sine, odd * cosine + even * sine}, 3).flatten(2);
  return torch::cat({turned, x.slice(2, dimension)}, 2);
}

}  // namespace

class TestGlm4v : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"vision_config": {"image_size": 1}})", "vision_config: image_size");
    add(R"({"vision_config": {"image_size": [8, 8]}})", "vision_config: image_size");
    add(R"({"vision_config": {"image_size": 1099511627776}})", "vision_config: image_size");
    add(R"({"vision_config": {"intermediate_size": 0}})", "vision_config: intermediate_size");
    add(R"({"vision_config": {"attention_bias": 1}})", "vision_config: attention_bias");
    add(R"({"vision_config": {"rms_norm_eps": "small"}})", "vision_config: rms_norm_eps");
    add(R"({"vision_config": {"out_hidden_size": 24}})", "vision_config: out_hidden_size");
    add(R"({"vision_config": {"num_heads": 3}})", "vision_config: num_heads");
    add(R"({"text_config": {"model_type": "glm4v_moe_text"}})", "text_config: model_type");
    add(R"({"image_token_id": 40})", "image_token_id");
    add(R"({"image_token_id": null})", "image_token_id");  // 151343 of 40 words
    add(R"({"text_config": {"rope_parameters": {"mrope_section": [1, 1, 1]}}})",
        "text_config: mrope_section");
    add(R"({"text_config": {"rope_parameters": {"partial_rotary_factor": 0.4}}})",
        "text_config: head_dim");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options = read(Json::parse(patch.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void reads_what_files_say_and_leave_out() {
    const auto options = read(Json::object());
    QVERIFY2(options.ok(), options ? "" : options.error().sentence().c_str());
    const QwenVisionOptions& tower = options->vision;
    QVERIFY(tower.convolved && !tower.qkv_bias && !tower.proj_bias && !tower.mlp_bias);
    QCOMPARE(tower.position_side, std::int64_t{4});
    QCOMPARE(tower.intermediate, std::int64_t{16});  // names cross in these files
    QCOMPARE(tower.merger_width, std::int64_t{20});
    QCOMPARE(tower.epsilon, 1e-5);
    QCOMPARE(options->text.rotary.dimension, std::int64_t{4});
    QVERIFY(options->text.qkv_bias && !options->text.o_bias);
    QVERIFY(!options->tie_word_embeddings);
    const auto tied = read({{"text_config", {{"tie_word_embeddings", true}}}});
    QVERIFY(tied.ok() && tied->tie_word_embeddings);
    // as the first folders have it
    const auto old =
        read({{"text_config",
               {{"rope_parameters", nullptr},
                {"partial_rotary_factor", 0.5},
                {"rope_theta", 500.0},
                {"rope_scaling", {{"type", "default"}, {"mrope_section", {0, 1, 1}}}}}}});
    QVERIFY2(old.ok(), old ? "" : old.error().sentence().c_str());
    QCOMPARE(old->text.rotary.dimension, std::int64_t{4});
    QCOMPARE(old->text.rotary.theta, 500.0);
    QCOMPARE(old->text.rotary.sections, (std::vector<std::int64_t>{0, 1, 1}));
  }

  void each_module_says_its_part() {
    const auto model = glm4v_family.read(config, "")->made(torch::TensorOptions());
    const auto part = [&](const char* name) { return model->part_of(name); };
    QCOMPARE(part("model.visual.downsample.weight"), std::string("projector"));
    QCOMPARE(part("model.visual.merger.proj.weight"), std::string("projector"));
    QCOMPARE(part("model.visual.post_layernorm.weight"), std::string("vision_tower"));
    QCOMPARE(part("model.visual.embeddings.position_embedding.weight"),
             std::string("vision_tower"));
    QCOMPARE(part("model.language_model.layers.0.mlp.gate_up_proj.weight"),
             std::string("language_model"));
    for (const auto& item : model->named_parameters())
      QCOMPARE(glm4v_family.memory_name(glm4v_family.stored_name(item.key())), item.key());
    QCOMPARE(glm4v_family.read(config, "")->pictures->defaults.type,
             std::string("Glm4vImageProcessor"));
  }

  void neighbours_turn_together() {
    const torch::Tensor angles = torch::rand({5, 3}) * 6;
    const RotaryTable table = rotary_table(angles, torch::kFloat32);
    for (const std::int64_t size : {6, 11}) {
      torch::Tensor query = torch::rand({5, 2, size});
      torch::Tensor same = query.clone();
      query.requires_grad_(true), same.requires_grad_(true);
      const torch::Tensor key = torch::rand({5, 2, size});
      const auto score = [](const torch::Tensor& q, const torch::Tensor& k) {
        return at::matmul(q.transpose(0, 1), k.permute({1, 2, 0}));
      };
      const torch::Tensor ours =
          score(rotate(pairs_apart(query, 6), table), rotate(pairs_apart(key, 6), table));
      const torch::Tensor wanted =
          score(turned_as_neighbours(same, angles), turned_as_neighbours(key, angles));
      QVERIFY(ours.allclose(wanted, 1e-5, 1e-5));
      const torch::Tensor from = torch::rand(ours.sizes());
      (ours * from).sum().backward();
      (wanted * from).sum().backward();
      QVERIFY(query.grad().allclose(same.grad(), 1e-5, 1e-5));
    }
  }
};

QTEST_APPLESS_MAIN(TestGlm4v)
#include "test_glm4v.moc"
