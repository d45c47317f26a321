// SPDX-License-Identifier: GPL-3.0-or-later
// The table of methods for shapes that papers give figures of, described here by their modules.
#include "engine/forecast/method_table.h"

#include <cmath>
#include <tuple>

#include <QtTest>

using namespace luthier;

namespace {

class Shape {
 public:
  void add(const std::string& name, const char* type, std::vector<std::int64_t> shape,
           bool bias = false) {
    ModuleSummary module;
    module.name = name, module.type = type, module.dtype = "BF16", module.part = part;
    module.parameters = bias ? shape.front() : 0;
    std::int64_t numbers = 1;
    for (const std::int64_t side : shape) numbers *= side;
    module.parameters += numbers;
    module.shape = std::move(shape);
    model.parameters += module.parameters;
    if (model.parts.empty() || model.parts.back().first != part) model.parts.emplace_back(part, 0);
    model.parts.back().second += module.parameters;
    model.modules.push_back(std::move(module));
  }
  void linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias = false) {
    add(name, "Linear", {out, in}, bias);
  }

  ModelSummary model;
  std::string part = "language_model";
};

/// Llama 2 7B's.
void add_llama(Shape& to, std::int64_t vocabulary) {
  const std::int64_t width = 4096, inner = 11008;
  to.part = "language_model";
  to.add("model.language_model.embed_tokens", "Embedding", {vocabulary, width});
  for (int i = 0; i < 32; ++i) {
    const std::string layer = "model.language_model.layers." + std::to_string(i) + ".";
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      to.linear(layer + "self_attn." + name, width, width);
    to.linear(layer + "mlp.gate_proj", width, inner);
    to.linear(layer + "mlp.up_proj", width, inner);
    to.linear(layer + "mlp.down_proj", inner, width);
    to.add(layer + "input_layernorm", "RMSNorm", {width});
    to.add(layer + "post_attention_layernorm", "RMSNorm", {width});
  }
  to.add("model.language_model.norm", "RMSNorm", {width});
  to.linear("lm_head", width, vocabulary);
  to.model.head = "lm_head";
  ModelGeometry& sizes = to.model.geometry;
  sizes.vocab_size = vocabulary, sizes.hidden_size = width, sizes.num_hidden_layers = 32;
  sizes.num_attention_heads = sizes.num_key_value_heads = 32, sizes.head_dim = 128;
}

/// OpenVLA's with one tower, SigLIP so400m as timm builds it, and its vocabulary's 64 further rows.
ModelSummary open_vla() {
  Shape shape;
  const std::int64_t width = 1152, inner = 4304;
  shape.part = "vision_tower";
  // A convolution that steps by its kernel: a Linear over the numbers of a patch.
  shape.linear("model.vision_tower.patch_embed.proj", 3 * 14 * 14, width, true);
  for (int i = 0; i < 27; ++i) {
    const std::string block = "model.vision_tower.blocks." + std::to_string(i) + ".";
    shape.linear(block + "attn.qkv", width, 3 * width, true);
    shape.linear(block + "attn.proj", width, width, true);
    shape.linear(block + "mlp.fc1", width, inner, true);
    shape.linear(block + "mlp.fc2", inner, width, true);
  }
  for (const auto& [name, in, out] : {std::tuple("q", width, width),
                                      {"kv", width, 2 * width},
                                      {"proj", width, width},
                                      {"mlp.fc1", width, inner},
                                      {"mlp.fc2", inner, width}})
    shape.linear(std::string("model.vision_tower.attn_pool.") + name, in, out, true);
  shape.part = "projector";
  shape.linear("model.projector.fc1", width, 4096, true);
  shape.linear("model.projector.fc2", 4096, 4096, true);
  add_llama(shape, 32064);
  return shape.model;
}

MethodRow row_of(const ModelSummary& model, const char* method,
                 const std::vector<std::string>& settings = {}) {
  const auto table = method_table(model, settings, "bfloat16");
  if (!table) qFatal("%s", table.error().sentence().c_str());
  for (const MethodRow& row : table->rows)
    if (row.method == method) return row;
  qFatal("no row");
}

double rounded(double value, double to) { return std::round(value / to) * to; }

}  // namespace

class TestMethodTable : public QObject {
  Q_OBJECT

 private slots:
  /// Two bytes a weight, two a gradient, eight for Adam's moments: 14, 14 and 56 GB of 7 B.
  void a_decoder_of_seven_billion_has_the_textbooks_sums() {
    Shape shape;
    add_llama(shape, 32000);
    const std::int64_t all = shape.model.parameters;
    QCOMPARE(all, 6'738'415'616);
    const MethodRow full = row_of(shape.model, "full");
    QCOMPARE(full.trained, all);
    QCOMPARE(full.weights, 2 * all);
    QCOMPARE(full.gradients, 2 * all);
    QCOMPARE(full.moments, 8 * all);
    QCOMPARE(full.masters, 4 * all);
    QCOMPARE(full.adapter, 0);
    QCOMPARE(full.file, 2 * all);
    // Of seven billion: a decoder's that is 4 % larger.
    const double to_seven = 7e9 / static_cast<double>(all);
    QCOMPARE(rounded(static_cast<double>(full.weights) * to_seven, 1e9), 14e9);
    QCOMPARE(rounded(static_cast<double>(full.gradients) * to_seven, 1e9), 14e9);
    QCOMPARE(rounded(static_cast<double>(full.moments) * to_seven, 1e9), 56e9);
  }

  void optimizers_keep_what_they_say() {
    Shape shape;
    add_llama(shape, 32000);
    const std::int64_t all = shape.model.parameters;
    QCOMPARE(row_of(shape.model, "full", {"training.optim=sgd"}).moments, 0);
    QCOMPARE(row_of(shape.model, "full", {"training.optim=lion_32bit"}).moments, 4 * all);
    const std::int64_t packed = row_of(shape.model, "full", {"training.optim=adamw_8bit"}).moments;
    QVERIFY(packed > 2 * all && packed < 2.2 * static_cast<double>(all));
    const std::int64_t muon = row_of(shape.model, "full", {"training.optim=muon"}).moments;
    QVERIFY(muon > 4 * all && muon < 4.2 * static_cast<double>(all));
  }

  /// The figures of OpenVLA's paper (Kim et al. 2024).
  void lora_on_every_linear_and_on_attention_alone() {
    const ModelSummary model = open_vla();
    const auto share = [&](const MethodRow& row) {
      return 100 * static_cast<double>(row.trained) / static_cast<double>(model.parameters);
    };
    const MethodRow every =
        row_of(model, "lora",
               {"adapter.r=32", "adapter.target_modules=.*(qkv|proj|fc1|fc2|q|kv|lm_head)"});
    QCOMPARE(rounded(static_cast<double>(every.trained), 1e5), 97.6e6);
    QCOMPARE(rounded(share(every), 0.1), 1.4);
    QCOMPARE(every.file, 4 * every.trained);
    QCOMPARE(every.masters, 0);
    const MethodRow attention = row_of(
        model, "lora", {"adapter.r=32", "adapter.target_modules=q_proj, k_proj, v_proj, o_proj"});
    QCOMPARE(rounded(static_cast<double>(attention.trained), 1e5), 33.6e6);
    QVERIFY(share(attention) > 0.4 && share(attention) < 0.5);
  }

  /// A run writes its checkpoint in the type that the base is stored in, whatever it computes in.
  void a_whole_checkpoint_is_as_large_as_the_base() {
    Shape shape;
    add_llama(shape, 32000);
    shape.model.files = {"model.safetensors"};
    shape.model.dtype = "F16";
    const auto table = method_table(shape.model, {}, "float32");
    QVERIFY(table.ok());
    QCOMPARE(table->rows.front().method, std::string("full"));
    QCOMPARE(table->rows.front().weights, 4 * shape.model.parameters);
    QCOMPARE(table->rows.front().file, 2 * shape.model.parameters);
  }

  /// VeRA's pair of matrices stands in memory once, and in the file where it is saved.
  void what_all_plugs_have_together_counts_once() {
    Shape shape;
    add_llama(shape, 32000);
    const std::int64_t pair = 4 * 256 * (11008 + 11008);
    const MethodRow saved = row_of(shape.model, "vera"),
                    drawn = row_of(shape.model, "vera", {"adapter.save_projection=false"});
    QCOMPARE(saved.adapter, 4 * saved.trained + pair);
    QCOMPARE(saved.gradients, 4 * saved.trained);
    QCOMPARE(saved.file, saved.adapter);
    QCOMPARE(drawn.adapter, saved.adapter);
    QCOMPARE(drawn.file, 4 * drawn.trained);
  }

  void every_method_has_a_row() {
    Shape shape;
    add_llama(shape, 32000);
    const auto table = method_table(shape.model, {"adapter.r=8"}, "float32");
    QVERIFY(table.ok());
    QVERIFY(table->rows.size() >= 7);
    for (const MethodRow& row : table->rows)
      QVERIFY2(row.refused.has_value() || row.trained > 0, row.method.c_str());
    QVERIFY(!method_table(shape.model, {"adapter.rank=8"}, "float32").ok());
  }

  /// What one method does not take is no reason against the others; what none takes is.
  void a_value_of_some_methods() {
    Shape shape;
    add_llama(shape, 32000);
    const std::vector<std::string> blocks{"adapter.r=0"};
    QVERIFY(row_of(shape.model, "lora", blocks).refused);
    QVERIFY(row_of(shape.model, "oft", blocks).trained > 0);
    QVERIFY(row_of(shape.model, "full", blocks).trained > 0);
    QVERIFY(!method_table(shape.model, {"adapter.r=many"}, "float32").ok());
    QVERIFY(!method_table(shape.model, {"adapter.r"}, "float32").ok());
  }

  /// GPT-2's products are Conv1Ds there: what does not hang on them is refused with the reason, as
  /// a run refuses it.
  void what_a_conv1d_refuses_is_no_row() {
    Shape shape;
    shape.model.model_type = "gpt2", shape.model.head = "lm_head";
    shape.add("transformer.wte", "Embedding", {50, 16});
    shape.add("transformer.ln_f", "LayerNorm", {16}, true);
    for (const char* name : {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"})
      shape.linear(std::string("transformer.h.0.") + name, 16, 16, true);
    shape.linear("lm_head", 16, 50);
    const auto reason = [&](const char* method, const std::vector<std::string>& settings = {}) {
      const MethodRow row = row_of(shape.model, method, settings);
      return row.refused ? row.refused->what : std::string();
    };
    for (const char* method : {"full", "lora", "ia3", "ln_tuning"})
      QCOMPARE(reason(method), std::string());
    for (const char* method : {"vera", "oft", "boft", "loha", "lokr", "adalora"})
      QVERIFY2(
          reason(method).find("is a Conv1D, on which " + std::string(method)) != std::string::npos,
          method);
    QVERIFY(reason("lora", {"adapter.init_lora_weights=olora"}).find("the start olora") !=
            std::string::npos);
    QVERIFY(reason("lora", {"adapter.modules_to_save=[c_proj]", "adapter.target_modules=[c_attn]"})
                .find("not trained whole") != std::string::npos);
    QVERIFY(reason("lora", {"quantization.load_in_4bit=true"}).find("not packed") !=
            std::string::npos);
  }

  void what_plugs_have_together_is_counted_once() {
    Shape shape;
    add_llama(shape, 32000);
    const std::vector<std::string> queries{"adapter.target_modules=[q_proj]"};
    const MethodRow saved = row_of(shape.model, "vera", queries);
    const std::int64_t pair = 4 * 256 * (4096 + 4096);  // rank 256 between 4096 and 4096
    QCOMPARE(saved.adapter, 4 * saved.trained + pair);
    QCOMPARE(saved.file, saved.adapter);
    std::vector<std::string> drawn = queries;
    drawn.push_back("adapter.save_projection=false");
    const MethodRow again = row_of(shape.model, "vera", drawn);
    QCOMPARE(again.adapter, saved.adapter);
    QCOMPARE(again.file, 4 * again.trained);
  }
};

QTEST_APPLESS_MAIN(TestMethodTable)
#include "test_method_table.moc"
