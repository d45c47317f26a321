// SPDX-License-Identifier: GPL-3.0-or-later
// Every field of every family's JSON files becomes each of a list of lies. Reading must refuse with
// a sentence that names the file, or go on to a model whose modules can be built and which takes
// the pictures that the processor makes: nothing may throw, be killed or take long. Each field
// meets every third lie; in a round of all cases, every one (a minute or two).
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/family.h"
#include "engine/vision/image.h"
#include "engine/vision/region_processor.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QTemporaryDir>
#include <QtTest>

#include <filesystem>
#include <fstream>

#include "tests/patience.h"
#include "tests/rounds.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kRunWeights = 200'000;  // larger models are built on the meta device alone
#if defined(__SANITIZE_THREAD__)
constexpr double kMostMilliseconds = 80'000;  // the same under a watch that costs up to ten times
#else
constexpr double kMostMilliseconds = 8000;  // of processor time
#endif

const std::vector<Json>& lies() {
  static const std::vector<Json> values{-1,
                                        0,
                                        1,
                                        2,
                                        7,
                                        3.7,
                                        1e308,
                                        -1e-300,
                                        std::int64_t{1} << 31,
                                        (std::int64_t{1} << 62) + 1,
                                        std::numeric_limits<std::uint64_t>::max(),
                                        4096,
                                        "12",
                                        "",
                                        nullptr,
                                        true,
                                        Json::array(),
                                        Json::array({-1}),
                                        Json::array({1, 2, 3}),
                                        Json::array({std::int64_t{1} << 62, std::int64_t{1} << 62}),
                                        Json::array({Json::array({1, 2})}),
                                        Json::object(),
                                        Json{{"height", 0}},
                                        Json{{"rope_type", "yarn"}}};
  return values;
}

Json read(const fs::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

void write(const fs::path& path, const Json& content) { std::ofstream(path) << content.dump(); }

void places(const Json& content, const Json::json_pointer& at,
            std::vector<Json::json_pointer>& found) {
  if (!at.empty()) found.push_back(at);
  if (content.is_object()) {
    for (const auto& [key, value] : content.items()) places(value, at / key, found);
  } else if (content.is_array()) {
    for (std::size_t i = 0; i < content.size(); ++i) places(content[i], at / i, found);
  }
}

/// Of a token that is empty: none, as of a picture that stands beside its text.
std::size_t count(const std::string& text, const std::string& token) {
  std::size_t found = 0;
  if (token.empty()) return found;
  for (std::size_t at = text.find(token); at != std::string::npos;
       at = text.find(token, at + token.size()))
    ++found;
  return found;
}

Image noise(int width, int height) {
  Image image;
  image.width = width, image.height = height;
  for (int i = 0; i < 3 * width * height; ++i)
    image.rgb.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  return image;
}

/// The states that a model makes of a row.
void check_states(Model& model, const Example& example) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : model.parameters()) parameter.fill_(0.01);
  if (TwoTowers* towers = model.two_towers()) {
    if (text_likeness(*towers, collate({example})).numel() != 1)
      throw std::runtime_error("the model lost a row");
    return;
  }
  if (auto* segmenter = dynamic_cast<Segmenter*>(&model)) {
    if (segmenter->segment(collate({example}), {{0}, {-1}}).size(0) != 1)
      throw std::runtime_error("the model lost a row");
    return;
  }
  if (PatchRebuilder* rebuilder = model.patch_rebuilder()) {
    rebuilder->rebuild(collate({example}), torch::rand({1, rebuilder->patches()}));
    return;
  }
  if (!model.output_head() && model.picture_tower()) {
    if (model.picture_tower()->tower(collate({example})).size(0) != 1)
      throw std::runtime_error("the model lost a picture");
    return;
  }
  const torch::Tensor hidden = states_before_head(model, collate({example}));
  if (hidden.size(0) != static_cast<std::int64_t>(example.input_ids.size()))
    throw std::runtime_error("the model lost tokens");
}

Status run_text(const Plan& plan, const Model& shapes) {
  std::int64_t weights = 0;
  for (const auto& parameter : shapes.parameters()) weights += parameter.numel();
  if (weights > kRunWeights) return {};
  Example example;
  const std::int64_t length =
      plan.longest_row > 0 ? std::min<std::int64_t>(12, plan.longest_row) : 12;
  example.input_ids.assign(static_cast<std::size_t>(length), 0);
  example.labels.assign(static_cast<std::size_t>(length), kIgnoreLabel);
  if (plan.form == RowForm::Source) example.source_ids = example.input_ids;
  check_states(*plan.made(torch::TensorOptions()), example);
  return {};
}

/// What loading does before it reads weights, then a forward of a small one. An Error is the honest
/// outcome of a lie.
Status load_and_run(const Family& family, const Json& config, const fs::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Plan plan, family.read(config, folder));
  const auto shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
  // Whose regions stand beside their text, and may be none (VisualBERT, LXMERT).
  const bool of_regions = plan.pictures && plan.pictures->defaults.type == kRegionFeatures;
  if (!plan.pictures || of_regions) return run_text(plan, *shapes);
  const TokenId image = plan.pictures->token_id;
  LUTHIER_TRY(const ImageTokens tokens, plan.pictures->tokens(folder));
  LUTHIER_TRY(const auto processor, ImageProcessor::load(folder, plan.pictures->defaults));
  std::int64_t weights = 0;
  for (const auto& parameter : shapes->parameters()) weights += parameter.numel();
  const ModelGeometry geometry = shapes->geometry();
  for (const auto& [width, height] : {std::pair{40, 25}, {3, 50}}) {
    const auto made = processor->outline(width, height);
    if (!made && geometry.image_height == 0) return made.error();
    if (!made || (geometry.image_height > 0 && (made->shape.at(2) != geometry.image_height ||
                                                made->shape.at(3) != geometry.image_width))) {
      return input_error("The picture processor does not make what the tower takes.",
                         where);  // load_model says so
    }
    std::int64_t numbers = 1;
    for (const std::int64_t axis : made->shape) numbers *= axis;
    if (weights > kRunWeights || numbers > 1 << 20) continue;
    LUTHIER_TRY(PixelValues pixels, processor->process(noise(width, height)));
    const std::string text = tokens.expand ? tokens.expand(pixels) : tokens.mark;
    Example example;
    const std::size_t places = tokens.form == RowForm::Robot
                                   ? static_cast<std::size_t>(tokens.count)
                                   : count(text, tokens.token.empty() ? tokens.mark : tokens.token);
    if (places > 4000) continue;
    example.input_ids.assign(places, image);
    const auto longest = static_cast<std::size_t>(plan.longest_row);
    if (longest > 0 && example.input_ids.size() + 2 > longest) continue;  // the row is refused
    const TokenId word = image == 0 ? 1 : 0;
    example.input_ids.insert(example.input_ids.begin(), word);
    example.input_ids.push_back(word);
    example.labels.assign(example.input_ids.size(), kIgnoreLabel);
    example.prompt_tokens = static_cast<std::int64_t>(example.input_ids.size()) - 1;
    if (tokens.form == RowForm::SourceAnswer) example.source_ids = example.input_ids;
    example.images.push_back(std::move(pixels));
    const auto model = plan.made(torch::TensorOptions());
    check_states(*model, example);
  }
  return {};
}

}  // namespace

class TestHostileConfigs : public QObject {
  Q_OBJECT
 private slots:
  void lies_are_refused_or_harmless_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("patch");
    for (const Family& family : families())
      QTest::newRow(family.model_type) << QString(family.model_type) << "{}";
    QTest::newRow("eve, aligned")
        << "eve"
        << R"({"alignment_config": {"hidden_size": 16, "image_size": 32, "layer_rate": 1}})";
    // Another class of the family's.
    QTest::newRow("blip-2, retrieval")
        << "blip-2"
        << R"({"architectures": ["Blip2ForImageTextRetrieval"], "pretraining_head": true,
               "image_text_hidden_size": 12, "logit_scale_init_value": 2.0,
               "qformer_config": {"use_qformer_text_input": true, "bos_token_id": 3}})";
  }

  void lies_are_refused_or_harmless() {
    QFETCH(QString, type);
    QFETCH(QString, patch);
    at::set_num_threads(1);
    const fs::path source =
        fs::path(LUTHIER_TEST_DATA) / "models" / "families" / type.toStdString();
    QVERIFY2(fs::exists(source / "config.json"),
             "tests/data/models/make_configs.py makes a family's files");
    QTemporaryDir scratch;
    const fs::path folder = fs::path(scratch.path().toStdString()) / "model";
    fs::copy(source, folder);
    Json config = read(folder / "config.json");
    config.merge_patch(Json::parse(patch.toStdString()));
    write(folder / "config.json", config);
    const auto family = find_family(config, "config.json");
    QVERIFY(family);
    const Status whole = load_and_run(**family, config, folder);
    QVERIFY2(whole, whole ? "" : whole.error().sentence().c_str());

    const bool all = luthier::test::all_cases();
    int refused = 0, taken = 0;
    std::string faults;
    int fault_count = 0;
    const auto fault = [&](const std::string& what) {
      if (++fault_count <= 30) faults += "\n  " + what;
    };
    for (const char* name : {"config.json", "processor_config.json", "preprocessor_config.json",
                             "tokenizer_config.json"}) {
      if (!fs::exists(folder / name)) continue;
      const Json content = read(folder / name);
      std::vector<Json::json_pointer> found;
      places(content, Json::json_pointer(), found);
      for (std::size_t at = 0; at < found.size(); ++at) {
        const auto& place = found[at];
        for (std::size_t number = all ? 0 : at % 3; number < lies().size(); number += all ? 1 : 3) {
          const Json& lie = lies()[number];
          Json changed = content;
          changed[place] = lie;
          write(folder / name, changed);
          const std::string label =
              std::string(name) + " " + place.to_string() + " = " + lie.dump();
          if (qEnvironmentVariableIsSet("LUTHIER_HOSTILE_TRACE")) qInfo("%s", label.c_str());
          const double start = luthier::test::thread_milliseconds();
          try {
            const Json whole_config = read(folder / "config.json");
            const auto again = find_family(whole_config, (folder / "config.json").string());
            const Status status =
                again ? load_and_run(**again, whole_config, folder) : Status(again.error());
            status ? ++taken : ++refused;
            if (!status && status.error().where.find(".json") == std::string::npos &&
                status.error().where.find("model") == std::string::npos) {
              fault(label + ": no file is named: " + status.error().sentence());
            }
          } catch (const std::exception& problem) {
            const std::string text = problem.what();
            fault(label + ": thrown: " + text.substr(0, text.find('\n')));
          }
          const double took = luthier::test::thread_milliseconds() - start;
          if (took > kMostMilliseconds) fault(label + ": took " + std::to_string(took) + " ms");
        }
      }
      write(folder / name, content);
    }
    qInfo("%s: %d refused, %d taken", qPrintable(type), refused, taken);
    QVERIFY2(faults.empty(), (std::to_string(fault_count) + " faults:" + faults).c_str());
    // a family that takes pictures has more fields to lie in
    const bool pictures = (*family)->takes_pictures;
    QVERIFY(refused > (pictures ? 100 : 40) && taken > (pictures ? 50 : 20));
  }
};

QTEST_APPLESS_MAIN(TestHostileConfigs)
#include "test_hostile_configs.moc"
