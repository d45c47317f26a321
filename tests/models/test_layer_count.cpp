// SPDX-License-Identifier: GPL-3.0-or-later
// A config.json that names fewer or more layers than the weights hold: which field is named, in
// every family, of towers and decoders of one depth, of packed and of older names; what has a
// number and is no layer; and that everything which reads a checkpoint's tensors asks.
#include "engine/check/tiny_models.h"
#include "engine/methods/arithmetic/merge_models.h"
#include "engine/models/layer_count.h"
#include "engine/models/open_weights.h"
#include "engine/models/pack_files.h"
#include "engine/models/wider_weights.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

using Tensors = std::map<std::string, TensorInfo>;
const fs::path kFolder = "somewhere";
const char* const kCounts[] = {
    "num_hidden_layers", "depth",          "num_layers", "num_decoder_layers",
    "encoder_layers",    "decoder_layers", "n_layer",    "decoder_num_hidden_layers",
    "l_layers",          "x_layers",       "r_layers"};

const Family& family_of(const std::string& type) {
  const auto family = find_family({{"model_type", type}}, "here");
  if (!family) qFatal("no family is named %s", type.c_str());
  return **family;
}

Json config_of(const std::string& type) { return tiny_model(family_of(type)).take().config; }

std::shared_ptr<Model> shapes_of(const std::string& type, const Json& config) {
  const auto plan = family_of(type).read(config, kFolder);
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  return plan->made(torch::TensorOptions().device(torch::kMeta));
}

/// What a file of a model with this configuration holds.
Tensors held_by(const std::string& type, const Json& config) {
  Tensors held;
  for (const auto& item : shapes_of(type, config)->named_parameters())
    held[family_of(type).stored_name(item.key())].shape = item.value().sizes().vec();
  return held;
}

Status check(const std::string& type, const Json& config, const Tensors& held) {
  return check_layers(*shapes_of(type, config), family_of(type), held, config, kFolder);
}

Json::json_pointer pointer_of(std::string path) {
  std::replace(path.begin(), path.end(), '.', '/');
  return Json::json_pointer("/" + path);
}

/// The configuration with another number of layers there, and a kind for each where it has kinds.
Json with_layers(Json config, const std::string& path, std::int64_t count) {
  const auto at = pointer_of(path);
  config[at] = count;
  Json& section = config[at.parent_pointer()];
  if (section.contains("layer_types")) {
    Json kinds = Json::array();
    for (std::int64_t i = 0; i < count; ++i) kinds.push_back("full_attention");
    section["layer_types"] = kinds;
  }
  if (section.contains("activation_sparsity_pattern"))
    section["activation_sparsity_pattern"] =
        std::vector<double>(static_cast<std::size_t>(count), 0.5);
  return config;
}

void find_fields(const Json& config, const std::string& path, std::vector<std::string>& found) {
  for (const auto& [key, value] : config.items()) {
    const std::string at = path.empty() ? key : path + "." + key;
    if (std::find(std::begin(kCounts), std::end(kCounts), key) != std::end(kCounts))
      found.push_back(at);
    if (value.is_object()) find_fields(value, at, found);
  }
}

std::vector<std::string> fields_of(const Json& config) {
  // Layers that come again stand in the weights once, by their groups.
  if (config.contains("num_hidden_groups")) return {"num_hidden_groups"};
  std::vector<std::string> found;
  find_fields(config, "", found);
  return found;
}

std::string place(const std::string& field) { return "somewhere/config.json: " + field; }

/// Without the tensors whose names hold `part`; ends the test where there are none.
Tensors without(Tensors held, const std::string& part) {
  const std::size_t before = held.size();
  std::erase_if(held, [&](const auto& each) { return each.first.find(part) != each.first.npos; });
  if (held.size() == before) qFatal("no tensor is named %s", part.c_str());
  return held;
}

}  // namespace

class TestLayerCount : public QObject {
  Q_OBJECT

 private slots:
  void each_field_of_each_family_is_named_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("field");
    for (const Family& family : families()) {
      const Json config = config_of(family.model_type);
      const auto fields = fields_of(config);
      // Those of ResNet and its like are lists (layers_of_stages_are_counted).
      const bool of_stages = config.contains("depths") || config.contains("num_block_repeats") ||
                             config.contains("model_args");
      QVERIFY2(!fields.empty() || of_stages, family.model_type);
      for (const std::string& field : fields)
        QTest::addRow("%s %s", family.model_type, field.c_str())
            << family.model_type << QString::fromStdString(field);
    }
  }
  void each_field_of_each_family_is_named() {
    QFETCH(QString, type);
    QFETCH(QString, field);
    const std::string family = type.toStdString(), path = field.toStdString();
    const Json smallest = config_of(family);
    const auto count = smallest.at(pointer_of(path)).get<std::int64_t>();
    Json config = with_layers(smallest, path, count + 1);
    QVERIFY(check(family, config, held_by(family, config)));
    for (const std::int64_t more : {-1, 1}) {
      const Json other = with_layers(smallest, path, count + 1 + more);
      const Status status = check(family, config, held_by(family, other));
      QVERIFY(!status);
      QCOMPARE(status.error().where, place(path));
      const std::string says = "The number of layers is " + std::to_string(count + 1) +
                               ", the weights hold " + std::to_string(count + 1 + more) + ": ";
      const std::string what = status.error().what;
      QVERIFY2(what.starts_with(says), what.c_str());
      QVERIFY2(what.ends_with(more > 0 ? " is left over." : " is missing."), what.c_str());
      // The tensor is one that the larger of the two has, by its name in the file.
      const Tensors larger = held_by(family, more > 0 ? other : config);
      const std::string tensor = what.substr(says.size(), what.rfind(" is ") - says.size());
      QVERIFY2(larger.contains(tensor), tensor.c_str());
      const std::string number = "." + std::to_string(count + (more > 0 ? 1 : 0)) + ".";
      QVERIFY2(tensor.find(number) != std::string::npos, tensor.c_str());
    }
  }

  /// Beside a tower, a decoder or an encoder of the very same depth.
  void of_one_depth_the_right_field_is_named_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("one");
    QTest::addColumn<QString>("other");
    const auto row = [](const char* type, const char* one, const char* other) {
      QTest::addRow("%s %s", type, one) << type << one << other;
      QTest::addRow("%s %s", type, other) << type << other << one;
    };
    row("llava", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("clip", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("vit_mae", "num_hidden_layers", "decoder_num_hidden_layers");
    row("vision-encoder-decoder", "encoder.num_hidden_layers", "decoder.n_layer");
    row("clipcap", "vision_config.num_hidden_layers", "text_config.n_layer");
    row("qwen2_5_vl", "text_config.num_hidden_layers", "vision_config.depth");
    row("mistral3", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("minicpmv4_6", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("lfm2_vl", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("aya_vision", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("ovis2", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("mllama", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("deepseek_ocr2", "text_config.num_hidden_layers",
        "vision_config.sam_config.num_hidden_layers");
    row("deepseek_ocr2", "vision_config.sam_config.num_hidden_layers",
        "vision_config.encoder_config.num_hidden_layers");
    row("phi4_multimodal", "num_hidden_layers", "vision_config.num_hidden_layers");
    row("blip", "text_config.num_hidden_layers", "vision_config.num_hidden_layers");
    row("t5", "num_layers", "num_decoder_layers");
    row("florence2", "text_config.encoder_layers", "text_config.decoder_layers");
  }
  void of_one_depth_the_right_field_is_named() {
    QFETCH(QString, type);
    QFETCH(QString, one);
    QFETCH(QString, other);
    const std::string family = type.toStdString(), field = one.toStdString();
    Json config = with_layers(config_of(family), field, 4);
    config = with_layers(config, other.toStdString(), 4);
    for (const std::int64_t count : {3, 5}) {
      const Status status =
          check(family, config, held_by(family, with_layers(config, field, count)));
      QVERIFY(!status);
      QCOMPARE(status.error().where, place(field));
    }
  }

  void a_setting_that_is_not_there_is_named_too() {
    Json config = config_of("llava");
    const Tensors held = held_by("llava", config);
    config["vision_config"].erase("num_hidden_layers");
    const Status tower = check("llava", config, held);
    QVERIFY(!tower);
    QCOMPARE(tower.error().where, place("vision_config.num_hidden_layers"));
    config = config_of("t5");
    config.erase("num_decoder_layers");  // then as many as the encoder has
    const Status decoder = check("t5", config, without(held_by("t5", config), "decoder.block.1."));
    QVERIFY(!decoder);
    QCOMPARE(decoder.error().where, place("num_layers"));
    config.erase("num_layers");  // both by default, and the decoder comes first
    const Status both = check("t5", config, held_by("t5", config_of("t5")));
    QVERIFY(!both);
    QCOMPARE(both.error().where, place("num_decoder_layers"));
  }

  void packed_weights_have_layers_as_others_have() {
    const std::string field = "text_config.num_hidden_layers";
    const Json config = with_layers(config_of("llava"), field, 3);
    for (const std::vector<std::string>& ends :
         {std::vector<std::string>{".qweight", ".qzeros", ".scales", ".g_idx"},
          {".weight", ".weight.absmax", ".weight.quant_state.bitsandbytes__nf4"},
          {".weight", ".SCB"}}) {
      for (const std::int64_t count : {2, 3, 4}) {
        Tensors packed;
        for (const auto& [name, info] : held_by("llava", with_layers(config, field, count))) {
          if (!name.ends_with("_proj.weight")) continue;  // not even the norms
          for (const std::string& end : ends)
            packed[name.substr(0, name.size() - std::string(".weight").size()) + end] = info;
        }
        const Status status = check("llava", config, packed);
        QCOMPARE(status.ok(), count == 3);
        if (!status) QCOMPARE(status.error().where, place(field));
      }
    }
  }

  /// Stages are lists of blocks in a list.
  void depths_of_stages_are_counted() {
    const Json config = config_of("florence2");
    const Tensors held = held_by("florence2", config);
    QVERIFY(check("florence2", config, held));
    for (const auto& depths : {Json{1, 3, 1}, Json{1, 1, 1}, Json{2, 2, 1}}) {
      Json other = config;
      other["vision_config"]["depths"] = depths;
      const Status status = check("florence2", config, held_by("florence2", other));
      QVERIFY(!status);
      QCOMPARE(status.error().where, place("vision_config.depths"));
    }
    Json stages = config;
    stages["vision_config"]["depths"].push_back(1);
    for (const char* key : {"embed_dim", "num_heads", "num_groups"})
      stages["vision_config"][key].push_back(64);
    const Status more = check("florence2", config, held_by("florence2", stages));
    QVERIFY(!more);
    QCOMPARE(more.error().where, place("vision_config.embed_dim"));
  }

  /// A stage's layers stand in a list of its own, or all of them in one.
  void layers_of_stages_are_counted_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("field");
    QTest::newRow("resnet") << "resnet"
                            << "depths";
    QTest::newRow("efficientnet") << "efficientnet"
                                  << "num_block_repeats";
    QTest::newRow("swin") << "swin"
                          << "depths";
    QTest::newRow("timm_wrapper") << "timm_wrapper"
                                  << "model_args.depths";
    QTest::newRow("align") << "align"
                           << "vision_config.num_block_repeats";
  }
  void layers_of_stages_are_counted() {
    QFETCH(QString, type);
    QFETCH(QString, field);
    const std::string family = type.toStdString(), path = field.toStdString();
    const Json config = config_of(family);
    QVERIFY(check(family, config, held_by(family, config)));
    for (std::size_t stage = 0; stage < config.at(pointer_of(path)).size(); ++stage) {
      Json more = config;
      Json& count = more[pointer_of(path) / stage];
      count = count.get<std::int64_t>() + 1;
      for (const bool fewer : {true, false}) {
        const Status status =
            check(family, fewer ? config : more, held_by(family, fewer ? more : config));
        QVERIFY(!status);
        QCOMPARE(status.error().where, place(path));
      }
    }
  }

  void older_names_are_shown_as_they_are() {
    Json config = config_of("llava");
    Tensors old;
    for (const auto& [name, info] : held_by("llava", config)) {
      const std::string memory = family_of("llava").memory_name(name);
      const std::string decoder = "model.language_model.";
      old[memory.starts_with(decoder) ? "language_model.model." + memory.substr(decoder.size())
                                      : name] = info;
    }
    QVERIFY(old.contains("language_model.model.layers.1.mlp.up_proj.weight"));
    QVERIFY(check("llava", config, old));
    config = with_layers(config, "text_config.num_hidden_layers", 1);
    const Status status = check("llava", config, old);
    QVERIFY(!status);
    QVERIFY2(status.error().what.find(": language_model.model.layers.1.") != std::string::npos,
             status.error().what.c_str());
  }

  /// Their depth is chosen so that a setting happens to say how many there should be.
  void what_is_no_layer_is_not_called_one() {
    Json config = with_layers(config_of("t5"), "num_layers", 3);
    config = with_layers(config, "num_decoder_layers", 3);  // as a decoder's block has parts
    const Tensors t5 = held_by("t5", config);
    QVERIFY(check("t5", config, without(t5, "decoder.block.0.layer.2.")));
    QVERIFY(check("t5", config, without(t5, "decoder.block.2.layer.2.")));
    config = with_layers(config_of("qwen2_vl"), "vision_config.depth", 3);
    const Tensors qwen = held_by("qwen2_vl", config);  // merger.mlp.0 and merger.mlp.2
    QVERIFY(check("qwen2_vl", config, without(qwen, "visual.merger.mlp.2.")));
    Tensors strange = qwen;  // numbers where the model has none, and such as no layer has
    for (const char* name :
         {"model.extra.7.weight", "model.language_model.norm.3.weight",
          "model.language_model.layers.99999999999999999999.weight",
          "model.language_model.layers.-1.weight", "model.language_model.layers.4000000.weight",
          "model.language_model.layers.7", "model.language_model.layers.x7.weight", ".9.", "9",
          "9.", "..", ""})
      strange[name] = {};
    QVERIFY(check("qwen2_vl", config, strange));
  }

  void mergers_of_deep_features_are_named_by_their_own_setting() {
    const Json config = config_of("qwen3_vl");  // two of them
    const Tensors held = held_by("qwen3_vl", config);
    const Status status = check("qwen3_vl", config, without(held, "deepstack_merger_list.1."));
    QVERIFY(!status);
    QCOMPARE(status.error().where, place("vision_config.deepstack_visual_indexes"));
  }

  void every_reader_of_a_checkpoint_asks() {
    const QTemporaryDir folder;
    const fs::path root = folder.path().toStdString(), model = root / "model";
    test::make_model(root / "drawn");
    LoadOptions options;
    options.device = "cpu";
    options.random_weights = true;
    const auto drawn = load_model(root / "drawn", options);
    QVERIFY(drawn);
    QVERIFY(save_model(*drawn, model, torch::kFloat32));
    options.random_weights = false;
    options.dtype = "bfloat16";
    auto loaded = load_model(model, options);
    QVERIFY(loaded);
    const std::string field = "text_config.num_hidden_layers";
    const Json whole = loaded->config;
    for (const std::int64_t count : {1, 3}) {
      const Json lying = with_layers(whole, field, count);
      test::write_text(model / "config.json", lying.dump());
      const auto refused = [&](const auto& read) {
        return !read && read.error().where == (model / "config.json").string() + ": " + field;
      };
      QVERIFY(refused(summarize_model(model)));
      QVERIFY(refused(load_model(model, options)));
      PackFiles packing;
      packing.settings = {{"load_in_8bit", true}};
      QVERIFY(refused(pack_checkpoint(model, root / "out", packing)));
      MergeModelsOptions how;
      how.weights = {0.5, 0.5};
      QVERIFY(refused(merge_models({model, model}, how, root / "out")));
      loaded->config = lying;
      loaded->model =
          loaded->family->read(lying, model)->made(torch::TensorOptions().dtype(torch::kBFloat16));
      QVERIFY(refused(WiderWeights::open(*loaded)));
      QVERIFY(!fs::exists(root / "out"));
    }
  }
};

QTEST_GUILESS_MAIN(TestLayerCount)
#include "test_layer_count.moc"
