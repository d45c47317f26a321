// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast of a model that reads one text and writes another, against what a run measures:
// within a twentieth, as for every other.
#include "tests/forecast/measured.h"
#include "tests/models/tiny_t5.h"

using namespace luthier;
using namespace luthier::test;

class TestTwoTexts : public QObject {
  Q_OBJECT

 private slots:
  void meets_the_measured_peak_data() {
    QTest::addColumn<QString>("settings");
    QTest::newRow("full") << "strategy=full";
    QTest::newRow("full, recomputed") << "strategy=full;training.gradient_checkpointing=true";
    QTest::newRow("full, accumulated") << "strategy=full;training.gradient_accumulation_steps=2";
    QTest::newRow("full, gated") << "strategy=full;gated";
    QTest::newRow("full, rows of different lengths") << "strategy=full;ragged";
    QTest::newRow("lora") << "adapter.target_modules=q,k,v,o,wi,wo";
    QTest::newRow("lora, attention alone") << "adapter.target_modules=q,v";
    QTest::newRow("lora, recomputed")
        << "adapter.target_modules=q,k,v,o,wi,wo;training.gradient_checkpointing=true";
    QTest::newRow("lora, decoder alone") << R"(adapter.target_modules=decoder\..*\.(q|v|wo))";
    QTest::newRow("lora, the head alone") << "adapter.target_modules=lm_head";
    QTest::newRow("lora, the last product alone")
        << R"(adapter.target_modules=decoder\.block\.3\..*\.wo)";
    QTest::newRow("lora, rows of different lengths") << "adapter.target_modules=q,v;ragged";
    QTest::newRow("half written") << "strategy=full;span_corruption.noise_density=0.5;"
                                     "span_corruption.mean_noise_span_length=11";
  }
  void meets_the_measured_peak() {
    QFETCH(QString, settings);
    TinyModel size;
    size.hidden = 192, size.wide = 512, size.layers = 4;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < (settings.contains("accumulation") ? 16 : 8); ++i) {
      std::string text;
      while (text.size() < 220) text += "it is one of many words ";
      text.resize(settings.contains("ragged") ? 220 - 17 * i : 220);
      texts.push_back(text);
    }
    const TinyT5 tiny(size, texts);
    std::vector<std::string> all{"training.max_steps=3", "training.per_device_train_batch_size=8",
                                 "training.gradient_accumulation_steps=1", "training.save_steps=0"};
    for (const QString& each : settings.split(';')) {
      if (each == "gated") {
        Json config = t5_config(size);
        config["feed_forward_proj"] = "gated-gelu";
        write_text(tiny.model() / "config.json", config.dump());
      } else if (each != "ragged") {
        all.push_back(each.toStdString());
      }
    }
    meets(tiny.recipe("run", all));
  }
};

QTEST_GUILESS_MAIN(TestTwoTexts)
#include "test_two_texts.moc"
