// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of decoders with mixtures of experts: which layers have them, refusals of
// settings that do not hold together, stacks that a file has turned or square, and that a router is
// no Linear that is packed.
#include "engine/io/safetensors.h"
#include "engine/models/expert_options.h"
#include "engine/models/loaded_model.h"
#include "engine/models/packing.h"
#include "engine/models/qwen_vl/qwen_vl.h"
#include "engine/models/stored_tensor.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

const ExpertDefaults kDefaults{4, 2, 10};
/// As Qwen3.5's class: experts everywhere, and one that is shared.
const ExpertDefaults kEverywhere{.count = 4,
                                 .each = 2,
                                 .intermediate_size = 10,
                                 .shared_intermediate_size = 14,
                                 .every_layer = true,
                                 .tells_routing = true};

Result<std::optional<ExpertOptions>> read(const Json& config, std::int64_t layers = 6) {
  return read_expert_options(config, "config.json", kDefaults, layers);
}

Result<std::optional<ExpertOptions>> read_everywhere(const Json& config) {
  return read_expert_options(config, "config.json", kEverywhere, 3);
}

std::string layers_of(const Json& config, std::int64_t layers) {
  const auto options = read(config, layers);
  if (!options.ok()) return options.error().sentence();
  std::string text;
  for (std::int64_t i = 0; i < layers; ++i)
    text += *options && (*options)->sparse[static_cast<std::size_t>(i)] ? 'x' : '.';
  return text;
}

const char* kStack = "model.language_model.layers.0.mlp.experts.gate_up_proj";

}  // namespace

class TestExpertsFamily : public QObject {
  Q_OBJECT

 private slots:
  void layers_with_experts() {
    QCOMPARE(layers_of(Json::object(), 4), "xxxx");
    QCOMPARE(layers_of({{"decoder_sparse_step", 2}}, 5), ".x.x.");
    QCOMPARE(layers_of({{"mlp_only_layers", {0, 3}}}, 4), ".xx.");
    QCOMPARE(layers_of({{"decoder_sparse_step", 2}, {"mlp_only_layers", {1, 9, -1}}}, 4), "...x");
    QCOMPARE(layers_of({{"mlp_only_layers", nullptr}}, 2), "xx");
    QCOMPARE(layers_of({{"num_experts", 0}}, 2), "..");
    // Where no layer has any, what they would be does not matter.
    QCOMPARE(layers_of({{"decoder_sparse_step", 9}, {"num_experts_per_tok", 99}}, 2), "..");
  }

  void both_names_of_the_count() {
    QCOMPARE((*read({{"num_experts", 7}}).take()).count, 7);
    QCOMPARE((*read({{"num_local_experts", 8}, {"num_experts", 7}}).take()).count, 8);
    QVERIFY(!read(Json::object()).take()->tells_routing);
    QVERIFY(read({{"output_router_logits", false}}).take()->tells_routing);
    QCOMPARE(read({{"router_aux_loss_coef", 0.5}}).take()->router_aux_loss_coef, 0.5);
  }

  /// What that class does not know is in a file for nothing.
  void experts_in_every_layer() {
    const auto plain = *read_everywhere(Json::object()).take();
    QVERIFY(plain.sparse == std::vector<bool>(3, true));
    QCOMPARE(plain.count, 4);
    QCOMPARE(plain.shared_intermediate_size, 14);
    QVERIFY(plain.tells_routing);
    const auto other = *read_everywhere({{"decoder_sparse_step", 2},
                                         {"mlp_only_layers", {0, "x"}},
                                         {"num_local_experts", 9},
                                         {"shared_expert_intermediate_size", 6}})
                            .take();
    QVERIFY(other.sparse == plain.sparse);
    QCOMPARE(other.count, 4);
    QCOMPARE(other.shared_intermediate_size, 6);
    QCOMPARE(read(Json::object()).take()->shared_intermediate_size, 0);
    QCOMPARE(read({{"shared_expert_intermediate_size", 6}}).take()->shared_intermediate_size, 0);
    for (const auto& [field, value] : {std::pair("num_experts", 0),
                                       {"shared_expert_intermediate_size", 0},
                                       {"num_experts_per_tok", 5}}) {
      Json config = Json::object();
      config[field] = value;
      const auto refused = read_everywhere(config);
      QVERIFY(!refused.ok());
      QCOMPARE(refused.error().where, "config.json: " + std::string(field));
    }
  }

  /// Of layers without an MLP of their own nobody asks how wide it would be.
  void qwen3_5_is_read_without_a_width_of_other_layers() {
    Json config = Json::parse(R"({"model_type": "qwen3_5_moe_text", "vocab_size": 40,
      "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
      "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 0, "num_experts": 5,
      "num_experts_per_tok": 2, "moe_intermediate_size": 6})");
    const auto options = read_decoder_options(config, "config.json");
    QVERIFY2(options.ok(),
             qPrintable(QString::fromStdString(options.ok() ? "" : options.error().sentence())));
    QVERIFY(options->experts && options->delta && options->attention_gate);
    QCOMPARE(options->experts->shared_intermediate_size, 512);
    QCOMPARE(options->rotary.dimension, 2);
    config["model_type"] = "qwen3_5_text";
    QCOMPARE(read_decoder_options(config, "config.json").error().where,
             "config.json: intermediate_size");
  }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<QString>("field");
    QTest::newRow("more than there are") << R"({"num_experts_per_tok": 5})"
                                         << "num_experts_per_tok";
    QTest::newRow("none") << R"({"num_experts_per_tok": 0})"
                          << "num_experts_per_tok";
    QTest::newRow("no step") << R"({"decoder_sparse_step": 0})"
                             << "decoder_sparse_step";
    QTest::newRow("no width") << R"({"moe_intermediate_size": 0})"
                              << "moe_intermediate_size";
    QTest::newRow("a huge count") << R"({"num_experts": 100000})"
                                  << "num_experts";
    QTest::newRow("fewer than none") << R"({"num_local_experts": -1})"
                                     << "num_local_experts";
    QTest::newRow("no list") << R"({"mlp_only_layers": 3})"
                             << "mlp_only_layers";
    QTest::newRow("no numbers") << R"({"mlp_only_layers": ["1"]})"
                                << "mlp_only_layers";
    QTest::newRow("a text") << R"({"num_experts": "4"})"
                            << "num_experts";
    QTest::newRow("no weight") << R"({"router_aux_loss_coef": "x"})"
                               << "router_aux_loss_coef";
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, config);
    QFETCH(QString, field);
    const auto options = read(Json::parse(config.toStdString()));
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void a_turned_stack_is_told_by_its_shape() {
    const Family& family = qwen3_vl_moe_family;
    QVERIFY(is_turned(family, kStack, {3, 4, 5}, {3, 5, 4}));
    QVERIFY(!is_turned(family, kStack, {3, 5, 4}, {3, 5, 4}));
    QVERIFY(!is_turned(family, kStack, {3, 4, 4}, {3, 4, 4}));
    QVERIFY(!is_turned(family, kStack, {4, 3, 5}, {3, 5, 4}));
    QVERIFY(!is_turned(family, kStack, {4, 5}, {3, 5, 4}));
    QVERIFY(
        !is_turned(family, "model.language_model.layers.0.mlp.gate.weight", {3, 4, 5}, {3, 5, 4}));
    QVERIFY(!is_turned(qwen3_vl_family, kStack, {3, 4, 5}, {3, 5, 4}));
  }

  void a_turned_stack_is_read_matrix_by_matrix_data() {
    QTest::addColumn<int>("type");
    QTest::newRow("as it is stored") << static_cast<int>(torch::kFloat32);
    QTest::newRow("narrower") << static_cast<int>(torch::kBFloat16);
  }
  void a_turned_stack_is_read_matrix_by_matrix() {
    QFETCH(int, type);
    QTemporaryDir folder;
    const std::filesystem::path path = folder.filePath("x.safetensors").toStdString();
    Tensor stored = torch::randn({3, 4, 5});
    const auto write = [&] {
      const std::span bytes(static_cast<const std::byte*>(stored.const_data_ptr()),
                            static_cast<std::size_t>(stored.nbytes()));
      return write_safetensors(path, {{"before", DType::F32, {2, 2}, bytes.first(16)},
                                      {"stack", DType::F32, {3, 4, 5}, bytes}});
    };
    QVERIFY(write().ok());
    const auto wanted = [&] {
      return stored.transpose(1, 2).to(static_cast<torch::ScalarType>(type));
    };
    Tensor read = torch::empty({3, 5, 4}, static_cast<torch::ScalarType>(type));
    bool finite = true;
    QVERIFY(read_turned(*SafetensorsFile::open(path)->find("stack"), read, "x", {}, &finite).ok());
    QVERIFY(at::equal(read, wanted()));
    QVERIFY(finite);
    stored[2][1][3] = std::numeric_limits<float>::infinity();
    QVERIFY(write().ok());
    QVERIFY(read_turned(*SafetensorsFile::open(path)->find("stack"), read, "x", {}, &finite).ok());
    QVERIFY(!finite);
    int asked = 0;
    const Status ended = read_turned(*SafetensorsFile::open(path)->find("stack"), read, "x",
                                     [&](std::uint64_t) { return ++asked < 2; });
    QVERIFY(!ended.ok());
    QCOMPARE(ended.error().code, ErrorCode::Interrupted);
  }

  void a_router_is_not_packed() {
    Json config = Json::parse(R"({"model_type": "qwen3_vl_moe", "image_token_id": 7,
      "text_config": {"vocab_size": 40, "hidden_size": 64, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "num_experts": 64, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "mlp_only_layers": [0], "rope_parameters": {"mrope_section": [2, 1, 1]}},
      "vision_config": {"depth": 1, "hidden_size": 16, "out_hidden_size": 64,
        "intermediate_size": 20, "num_heads": 2, "patch_size": 2, "num_position_embeddings": 9,
        "deepstack_visual_indexes": [0]}})");
    const auto plan = qwen3_vl_moe_family.read(config, "nowhere");
    QVERIFY2(plan.ok(),
             qPrintable(QString::fromStdString(plan.ok() ? "" : plan.error().sentence())));
    const auto model = plan->made(torch::TensorOptions().device(torch::kMeta));
    const auto packing = plan_packing(*model, Json({{"load_in_4bit", true}}), "config.json");
    QVERIFY(packing.ok());
    const std::string layer = "model.language_model.layers.";
    QVERIFY(packing->modules.contains(layer + "0.mlp.gate_proj"));
    QVERIFY(packing->modules.contains(layer + "1.self_attn.q_proj"));
    QVERIFY(!packing->modules.contains(layer + "1.mlp.gate"));
    QVERIFY(model->named_parameters().contains(layer + "1.mlp.experts.gate_up_proj"));
    QVERIFY(!model->named_parameters().contains(layer + "0.mlp.experts.gate_up_proj"));
  }
};

QTEST_GUILESS_MAIN(TestExpertsFamily)
#include "test_experts_family.moc"
