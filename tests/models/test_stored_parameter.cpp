// SPDX-License-Identifier: GPL-3.0-or-later
// Experts whose matrices a checkpoint has one by one: the same model as from whole stacks, by every
// way that its files are read, and what is said where a piece is missing, left over, of another
// shape or broken.
#include "engine/models/stored_parameter.h"

#include "engine/models/loaded_model.h"
#include "engine/models/model_summary.h"
#include "engine/models/pack_files.h"
#include "engine/models/packing.h"
#include "engine/models/tensor_file.h"
#include "engine/models/wider_weights.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

using Tensors = std::map<std::string, Tensor>;

constexpr std::int64_t kExperts = 3, kInner = 12, kHidden = 32;
const char* const kFirst = "model.layers.0.mlp.experts.gate_up_proj";

Json config_of(std::int64_t words) {
  Json config = Json::parse(R"({"model_type": "qwen3_5_moe_text", "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
    "num_experts_per_tok": 2, "shared_expert_intermediate_size": 20,
    "linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"],
    "rope_parameters": {"rope_theta": 10000.0, "partial_rotary_factor": 0.5,
      "mrope_section": [2, 1, 1], "mrope_interleaved": true}})");
  config["vocab_size"] = words;
  config["hidden_size"] = kHidden, config["num_experts"] = kExperts;
  config["moe_intermediate_size"] = kInner;
  return config;
}

/// Each expert's matrices in the place of the stacks.
Tensors in_pieces(const Tensors& whole) {
  Tensors pieces;
  for (const auto& [name, tensor] : whole) {
    const auto at = name.find(".experts.");
    if (at == std::string::npos) {
      pieces[name] = tensor;
      continue;
    }
    const std::string stack = name.substr(name.rfind('.') + 1);
    for (std::int64_t expert = 0; expert < tensor.size(0); ++expert) {
      const std::string own = name.substr(0, at + 9) + std::to_string(expert) + ".";
      if (stack == "down_proj") {
        pieces[own + "down_proj.weight"] = tensor[expert];
        continue;
      }
      const auto sides = tensor[expert].chunk(2);
      pieces[own + "gate_proj.weight"] = sides[0], pieces[own + "up_proj.weight"] = sides[1];
    }
  }
  return pieces;
}

Status write(const fs::path& folder, const Tensors& tensors) {
  NamedTensors listed(tensors.begin(), tensors.end());
  return write_tensor_file(folder / "model.safetensors", listed);
}

std::string piece(std::int64_t expert, const std::string& end) {
  return "model.layers.0.mlp.experts." + std::to_string(expert) + "." + end + ".weight";
}

LoadOptions on_this_cpu(const std::string& dtype = "float32") {
  LoadOptions options;
  options.device = "cpu", options.dtype = dtype;
  return options;
}

}  // namespace

class TestStoredParameter : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    make_model(root() / "drawn");
    const Json pictured = *read_json_file(root() / "drawn/config.json");
    write_text(root() / "drawn/config.json",
               config_of(pictured["text_config"]["vocab_size"].get<std::int64_t>()).dump());
    LoadOptions options = on_this_cpu();
    options.random_weights = true;
    const auto made = load_model(root() / "drawn", options);
    QVERIFY2(made.ok(), made.ok() ? "" : made.error().sentence().c_str());
    QVERIFY(save_model(*made, root() / "stacks", torch::kFloat32).ok());
    whole_ = *read_tensor_file(root() / "stacks/model.safetensors");
    QVERIFY(whole_.contains(kFirst));
    fs::copy(root() / "stacks", root() / "pieces", fs::copy_options::recursive);
    put(in_pieces(whole_));
  }
  void cleanup() { put(in_pieces(whole_)); }

  void pieces_are_the_stacks() {
    const auto loaded = load_model(root() / "pieces", on_this_cpu());
    QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().sentence().c_str());
    std::size_t found = 0;
    for (const auto& item : loaded->model->named_parameters()) {
      QVERIFY2(at::equal(item.value(), whole_.at(item.key())), item.key().c_str());
      ++found;
    }
    QCOMPARE(found, whole_.size());
  }

  /// One of another type than the model's is cast on the way.
  void pieces_are_cast() {
    const auto loaded = load_model(root() / "pieces", on_this_cpu("bfloat16"));
    QVERIFY(loaded.ok());
    const Tensor made = loaded->model->named_parameters()[kFirst];
    QVERIFY(at::equal(made, whole_.at(kFirst).to(torch::kBFloat16)));
    // And what a narrow model does not hold of them is found again.
    const auto wider = wider_weights(*loaded, {kFirst});
    QVERIFY(wider.ok() && wider->contains(kFirst));
    QVERIFY(at::equal(wider->at(kFirst), whole_.at(kFirst)));
  }

  void they_are_described_as_the_stacks_are() {
    const auto pieces = summarize_model(root() / "pieces"),
               stacks = summarize_model(root() / "stacks");
    QVERIFY2(pieces.ok(), pieces.ok() ? "" : pieces.error().sentence().c_str());
    QCOMPARE(pieces->parameters, stacks->parameters);
    QCOMPARE(pieces->dtype, stacks->dtype);
    QCOMPARE(pieces->modules.size(), stacks->modules.size());
  }

  /// Linears are packed, and each expert's matrices stay as they are.
  void a_packed_folder_has_them_too() {
    PackFiles how;
    how.settings = {
        {"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
    const Status packed = pack_checkpoint(root() / "pieces", root() / "packed", how);
    QVERIFY2(packed.ok(), packed.ok() ? "" : packed.error().sentence().c_str());
    const auto loaded = load_model(root() / "packed", on_this_cpu());
    QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().sentence().c_str());
    QVERIFY(at::equal(loaded->model->named_parameters()[kFirst], whole_.at(kFirst)));
    QVERIFY(packed_linears(*loaded->model).contains("model.layers.0.mlp.shared_expert.up_proj"));
    QVERIFY(packed_linears(*loaded->model).contains("model.layers.0.mlp.shared_expert_gate"));
    QVERIFY(!packed_linears(*loaded->model).contains("model.layers.0.mlp.gate"));
  }

  /// As transformers writes a text half that was loaded from the whole model's files.
  void names_of_the_whole_model_are_known() {
    Tensors renamed;
    for (const auto& [name, tensor] : in_pieces(whole_)) {
      const bool half = name.starts_with("model.");
      renamed[half ? "model.language_model." + name.substr(6) : name] = tensor;
    }
    put(renamed);
    const auto loaded = load_model(root() / "pieces", on_this_cpu());
    QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().sentence().c_str());
    QVERIFY(at::equal(loaded->model->named_parameters()[kFirst], whole_.at(kFirst)));
  }

  void refusals_data() {
    QTest::addColumn<QString>("change");
    QTest::addColumn<QString>("said");
    const auto row = [](const char* change, const std::string& said) {
      QTest::newRow(change) << change << QString::fromStdString(said);
    };
    row("missing", "The tensor " + piece(1, "up_proj") + " is missing.");
    row("none", "The tensor " + std::string(kFirst) + " is missing.");
    row("left over", "The tensor " + piece(3, "gate_proj") + " is left over: there are 3 experts.");
    row("shape", "The tensor " + piece(2, "gate_proj") +
                     " has shape [12, 31], config.json asks for [12, 32].");
  }
  void refusals() {
    QFETCH(QString, change);
    QFETCH(QString, said);
    Tensors pieces = in_pieces(whole_);
    if (change == "missing") {
      pieces.erase(piece(1, "up_proj"));
    } else if (change == "left over") {
      for (const char* end : {"gate_proj", "up_proj"})
        pieces[piece(3, end)] = pieces.at(piece(0, end));
    } else if (change == "shape") {
      pieces[piece(2, "gate_proj")] = torch::zeros({kInner, kHidden - 1});
    } else {
      for (std::int64_t expert = 0; expert < kExperts; ++expert)
        for (const char* end : {"gate_proj", "up_proj"}) pieces.erase(piece(expert, end));
    }
    put(pieces);
    const auto loaded = load_model(root() / "pieces", on_this_cpu());
    QVERIFY(!loaded.ok());
    QCOMPARE(QString::fromStdString(loaded.error().what), said);
    const auto summary = summarize_model(root() / "pieces");
    QVERIFY(!summary.ok());
    QCOMPARE(QString::fromStdString(summary.error().what), said);
  }

  /// A piece with a value that is no number is told by its own name.
  void the_broken_piece_is_named() {
    Tensors pieces = in_pieces(whole_);
    Tensor& broken = pieces.at(piece(2, "up_proj")) = pieces.at(piece(2, "up_proj")).clone();
    broken[3][5] = std::numeric_limits<float>::quiet_NaN();
    put(pieces);
    const auto files = CheckpointFiles::open(root() / "pieces");
    QVERIFY(files.ok());
    const auto config = read_json_file(root() / "pieces/config.json");
    const Family& family = **find_family(*config, "config.json");
    const auto names = stored_names(family, *files, PackingPlan(), "folder");
    QVERIFY(names.ok());
    const std::vector<std::int64_t> shape{kExperts, 2 * kInner, kHidden};
    const auto stored = StoredParameter::find({family, *files, *names, "folder"}, kFirst, shape);
    QVERIFY2(stored.ok(), stored.ok() ? "" : stored.error().sentence().c_str());
    QCOMPARE(stored->parts().size(), std::size_t{2 * kExperts});
    std::string place;
    Tensor target = torch::empty(shape);
    QVERIFY(stored->read(target, {}, &place).ok());
    QCOMPARE(place, "folder: " + piece(2, "up_proj"));
    QVERIFY(at::equal(target[2].narrow(0, kInner, kInner).nan_to_num(), broken.nan_to_num()));
  }

  /// A stack in the file is the parameter, whatever pieces there are beside it.
  void a_whole_stack_comes_first() {
    Tensors both = in_pieces(whole_);
    both[kFirst] = whole_.at(kFirst) * 2;
    put(both);
    const auto loaded = load_model(root() / "pieces", on_this_cpu());
    QVERIFY(loaded.ok());
    QVERIFY(at::equal(loaded->model->named_parameters()[kFirst], both.at(kFirst)));
  }

 private:
  fs::path root() const { return folder_.path().toStdString(); }
  void put(const Tensors& tensors) const {
    if (const Status written = write(root() / "pieces", tensors); !written)
      qFatal("%s", written.error().sentence().c_str());
  }

  QTemporaryDir folder_;
  Tensors whole_;
};

QTEST_GUILESS_MAIN(TestStoredParameter)
#include "test_stored_parameter.moc"
