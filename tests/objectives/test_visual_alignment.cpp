// SPDX-License-Identifier: GPL-3.0-or-later
// A teacher of other sizes than the model is aligned with is refused before any work: a run leaves
// no folder behind.
#include "tests/train/watched_run.h"

#include "tests/train/tiny_weights.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// An EVE of the fixture's words, aligned with a tower of this width at 28 pixels.
fs::path make_aligned(const TinyRun& tiny, std::int64_t width) {
  const fs::path folder = tiny.root() / ("eve-" + std::to_string(width));
  fs::create_directories(folder);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(fixture() / "llava" / name, folder / name);
  const Json llava = *read_json_file(tiny.root() / "model" / "config.json");
  const Json config = {
      {"model_type", "eve"},
      {"vocab_size", llava["text_config"]["vocab_size"]},
      {"hidden_size", 16},
      {"intermediate_size", 24},
      {"num_hidden_layers", 1},
      {"num_attention_heads", 2},
      {"mm_hidden_size", 16},
      {"image_token_id", llava["image_token_index"]},
      {"patch_stride", 14},
      {"conv_stride", 2},
      {"alignment_config", {{"hidden_size", width}, {"image_size", 28}, {"layer_rate", 1}}}};
  write_text(folder / "config.json", config.dump());
  const Json pictures = {{"image_processor_type", "EveImageProcessor"},
                         {"image_size", 56},
                         {"image_size_clip", 28},
                         {"patch_stride", 14},
                         {"patch_stride_clip", 14},
                         {"conv_stride", 2}};
  write_text(folder / "preprocessor_config.json", pictures.dump());
  return folder;
}

}  // namespace

class TestVisualAlignment : public QObject {
  Q_OBJECT

 private slots:
  void a_teacher_of_other_sizes_is_refused_before_any_work() {
    at::set_num_threads(1);
    TinyRun tiny;
    write_model(tiny.root() / "teacher", {}, 3);
    for (const std::int64_t width : {32, 16}) {
      const std::string out = "run-" + std::to_string(width);
      const auto outcome = test::run(
          tiny.recipe(out, {"model=" + make_aligned(tiny, width).string(), "strategy=full",
                            "objective=visual_alignment", "training.max_steps=1",
                            "visual_alignment.teacher=" + (tiny.root() / "teacher").string()}));
      if (width == 32) {
        VERIFY_OK(outcome);
        continue;
      }
      QVERIFY(!outcome.result);
      QVERIFY2(outcome.result.error().where.starts_with("visual_alignment.teacher: "),
               outcome.result.error().sentence().c_str());
      QVERIFY(outcome.result.error().what.find("width") != std::string::npos);
      QVERIFY(!fs::exists(tiny.root() / out));
    }
  }
};

QTEST_GUILESS_MAIN(TestVisualAlignment)
#include "test_visual_alignment.moc"
