// SPDX-License-Identifier: GPL-3.0-or-later
// What a training step asks of the device besides kernels. Each copy and each wait is time in which
// the device has nothing to do, so their numbers stand here: who adds one decides it.
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using pretend::Counts;

namespace {

struct Asked {
  Counts batch, step;
  std::map<std::string, std::int64_t> places;
};

/// Whether nothing before the bridge learns, whatever hangs where: Fuyu's patches go into the text
/// as they are, and no gradient passes the choice of Chameleon's codes.
bool has_no_tower(const std::string& family) { return family == "fuyu" || family == "chameleon"; }

/// Whose pictures pass convolutions, which no adapter hangs on.
bool convolves(const std::string& name) {
  return name == "resnet" || name == "efficientnet" || name == "align" || name == "simvlm" ||
         name == "virtex" || name == "visualgpt" || name == "timm_wrapper";
}

/// Of a run's second step: what is made once a run is there. `fixed`: no plug hangs on the tower.
Asked asked(const TinyModel& model, bool fixed) {
  std::vector<std::string> settings{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1",
                                    "training.gradient_checkpointing=false"};
  if (!fixed && convolves(model.family->model_type)) {
    settings = {"strategy=full", "training.gradient_checkpointing=false"};
  } else if (fixed && std::string(model.family->model_type) != "simvlm") {
    // SimVLM's stem has nothing that an adapter hangs on.
    settings.push_back(
        "adapter.exclude_modules=(encoder\\.|swin\\.|.*(vis(ion|ual)|img_processor)).*");
  } else if (std::string(model.family->model_type) == "gemma3n") {
    // Its tower has convolutions, which no adapter hangs on unless it is told to.
    settings.push_back("adapter.target_modules=.*(layers.*_proj|attn.output.proj|conv_pwl)");
  }
  const auto tuning = pretend::tuned(model, pretend::device(), settings);
  const bool stands = fixed || has_no_tower(model.family->model_type);
  if (stands != tuning->trainables().tower_fixed) qFatal("the tower is not as it was meant");
  const MicroBatch rows = tiny_rows(model);
  tuning->micro_batch(rows, 3), tuning->step(1e-3);
  Asked result;
  pretend::reset_counts();
  tuning->micro_batch(rows, 3);
  result.batch = pretend::counts(), result.places = pretend::places();
  pretend::reset_counts();
  tuning->step(1e-3);
  result.step = pretend::counts();
  return result;
}

struct Expected {
  std::int64_t up, down, waits;  ///< of a micro-batch
  std::int64_t layer;            ///< copies and waits of one more layer
};

/// By family, whether attention takes rows as they lie or in groups of one length, which need the
/// most. A batch goes up in one copy, and its loss is waited for.
const std::map<std::string, Expected>& expected() {
  static const std::map<std::string, Expected> table{
      {"llava", {1, 0, 1, 0}},
      {"llava_next", {1, 0, 1, 0}},
      {"smolvlm", {1, 0, 1, 0}},
      {"idefics3", {1, 0, 1, 0}},
      {"internvl", {1, 0, 1, 0}},
      {"qwen2_vl", {1, 0, 1, 0}},
      {"qwen2_5_vl", {1, 0, 1, 0}},
      {"qwen3_vl", {1, 0, 1, 0}},
      {"paligemma", {1, 0, 1, 0}},
      {"gemma3", {1, 0, 1, 0}},
      {"gemma3n", {1, 0, 1, 0}},
      {"gemma4", {1, 0, 1, 0}},
      {"gemma4_unified", {1, 0, 1, 0}},
      {"llama", {1, 0, 1, 0}},
      {"qwen2", {1, 0, 1, 0}},
      {"llava_onevision", {1, 0, 1, 0}},
      {"qwen3_5", {1, 0, 1, 0}},
      {"qwen3_5_text", {1, 0, 1, 0}},
      {"glm4v", {1, 0, 1, 0}},
      {"glm46v", {1, 0, 1, 0}},
      {"mistral", {1, 0, 1, 0}},
      {"minicpmv4_6", {1, 0, 1, 0}},
      {"mistral3", {1, 0, 1, 0}},
      {"lfm2_vl", {1, 0, 1, 0}},
      {"aya_vision", {1, 0, 1, 0}},
      {"ovis2", {1, 0, 1, 0}},
      {"mllama", {1, 0, 1, 0}},
      {"mllama_text_model", {1, 0, 1, 0}},
      {"cohere2", {1, 0, 1, 0}},
      {"glm", {1, 0, 1, 0}},
      {"glm4", {1, 0, 1, 0}},
      {"phi3", {1, 0, 1, 0}},
      {"qwen3", {1, 0, 1, 0}},
      {"smollm3", {1, 0, 1, 0}},
      {"lfm2", {1, 0, 1, 0}},
      {"gemma3_text", {1, 0, 1, 0}},
      {"gemma3n_text", {1, 0, 1, 0}},
      {"gemma4_text", {1, 0, 1, 0}},
      {"gemma4_unified_text", {1, 0, 1, 0}},
      {"bert", {1, 0, 1, 0}},
      {"roberta", {1, 0, 1, 0}},
      {"xlm-roberta", {1, 0, 1, 0}},
      {"albert", {1, 0, 1, 0}},
      {"electra", {1, 0, 1, 0}},
      {"deberta-v2", {1, 0, 1, 0}},
      {"t5", {1, 0, 1, 0}},
      {"opt", {1, 0, 1, 0}},
      {"gpt2", {1, 0, 1, 0}},
      {"bart", {1, 0, 1, 0}},
      {"mbart", {1, 0, 1, 0}},
      {"vision-encoder-decoder", {2, 0, 1, 0}},
      {"clipcap", {1, 0, 1, 0}},
      {"simvlm", {1, 0, 1, 0}},
      {"eve", {1, 0, 1, 0}},
      {"virtex", {2, 0, 1, 0}},
      {"visualgpt", {2, 0, 1, 0}},
      {"blip", {2, 0, 1, 0}},
      // What rows say of themselves goes up beside them.
      {"visual_bert", {2, 0, 1, 0}},
      {"lxmert", {2, 0, 1, 0}},
      {"florence2", {1, 0, 1, 0}},
      {"phi4_multimodal", {1, 0, 1, 0}},
      {"blip-2", {1, 0, 1, 0}},
      {"instructblip", {1, 0, 1, 0}},
      {"persimmon", {1, 0, 1, 0}},
      {"fuyu", {1, 0, 1, 0}},
      // Each gated layer says anew how its tokens and their picture lie.
      {"idefics", {5, 0, 1, 2}},
      {"chameleon", {1, 0, 1, 0}},
      {"clip", {1, 0, 1, 0}},
      {"siglip", {3, 0, 1, 0}},
      // Pictures of two sizes go apart, and labels beside them.
      {"vit", {6, 0, 1, 0}},
      {"dinov2", {6, 0, 1, 0}},
      {"dinov2_with_registers", {6, 0, 1, 0}},
      {"vit_mae", {5, 0, 1, 0}},
      {"clipseg", {2, 0, 1, 0}},
      {"sam", {6, 0, 1, 0}},
      {"sam_vision_model", {6, 0, 1, 0}},
      {"resnet", {6, 0, 1, 0}},
      {"efficientnet", {6, 0, 1, 0}},
      {"timm_wrapper", {6, 0, 1, 0}},
      {"swin", {6, 0, 1, 0}},
      {"fiber", {1, 0, 1, 0}},
      {"align", {1, 0, 1, 0}},
      {"openvla", {1, 0, 1, 0}},
      // Each layer with experts reads which of them the tokens go to, and says how they lie then.
      {"deepseek_ocr2", {2, 1, 1, 2}},
      {"qwen3_vl_moe", {3, 2, 1, 2}},
      {"qwen3_5_moe", {4, 3, 1, 2}},
      {"qwen3_5_moe_text", {3, 2, 1, 2}},
  };
  return table;
}

}  // namespace

class TestCounts : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void of_a_micro_batch_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<bool>("flash");
    QTest::addColumn<bool>("fixed");
    for (const Family& family : families()) {
      const std::string name = family.model_type;
      QTest::newRow(name.c_str()) << family.model_type << true << false;
      QTest::newRow((name + ", no flash attention").c_str()) << family.model_type << false << false;
      // A model that is a tower has nothing else that learns.
      const bool is_tower = name.starts_with("vit") || name.starts_with("dinov2") ||
                            name.starts_with("sam") || name == "resnet" || name == "efficientnet" ||
                            name == "timm_wrapper" || name == "swin";
      const TinyModel model = pretend::tiny(name);
      const bool looks = !model.picture.shape.empty() && model.objective != "regions";
      if (is_tower || has_no_tower(name) || !looks) continue;
      QTest::newRow((name + ", a fixed tower").c_str()) << family.model_type << true << true;
    }
  }
  void of_a_micro_batch() {
    QFETCH(QString, name);
    QFETCH(bool, flash);
    QFETCH(bool, fixed);
    pretend::let_flash(flash);
    constexpr std::int64_t kMore = 2;
    const TinyModel model = pretend::tiny(name.toStdString());
    const Asked whole = asked(model, fixed), more = asked(deeper(model, kMore), fixed),
                near = asked(pretend::tiny(name.toStdString(), {14, 12, 13}), fixed);
    const Counts &batch = whole.batch, &deep = more.batch;
    const std::int64_t layer =
        (deep.up + deep.down + deep.waits - batch.up - batch.down - batch.waits) / kMore;
    qInfo(
        "%s: a micro-batch %lld up, %lld down, %lld waits (rows alike: %lld, %lld, %lld), a "
        "layer %lld, %lld kernels; a step %lld up, %lld down, %lld waits, %lld kernels",
        qPrintable(name), (long long)batch.up, (long long)batch.down, (long long)batch.waits,
        (long long)near.batch.up, (long long)near.batch.down, (long long)near.batch.waits,
        (long long)layer, (long long)((deep.kernels - batch.kernels) / kMore),
        (long long)whole.step.up, (long long)whole.step.down, (long long)whole.step.waits,
        (long long)(batch.kernels + whole.step.kernels));
    for (const auto& [place, count] : whole.places)
      qInfo("  %lld %s", (long long)count, place.c_str());
    const auto found = expected().find(name.toStdString());
    QVERIFY2(found != expected().end(), "the family's numbers are not written down");
    // One of the ways needs as many, the others may do with less.
    QVERIFY2(batch.up <= found->second.up, qPrintable(QString::number(batch.up)));
    QVERIFY2(flash || name == "idefics" || batch.up == found->second.up || batch.up == 1,
             qPrintable(QString::number(batch.up)));
    QCOMPARE(batch.down, found->second.down);
    QCOMPARE(batch.waits, found->second.waits);
    QVERIFY2(layer <= found->second.layer, qPrintable(QString::number(layer)));
    QVERIFY(near.batch.up <= batch.up && near.batch.waits <= batch.waits);
    QCOMPARE(whole.step.up + whole.step.down, 0);
    QCOMPARE(whole.step.waits, 1);  // the gradients' norm
  }
};

QTEST_GUILESS_MAIN(TestCounts)
#include "test_counts.moc"
