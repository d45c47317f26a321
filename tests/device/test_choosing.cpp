// SPDX-License-Identifier: GPL-3.0-or-later
// The choice on this machine, with a stand-in for the driver: a library of its name that is loaded
// already is what the engine gets when it asks for the name.
#include "engine/device/device.h"

#include <QtTest>

#include "engine/base/log.h"
#include "engine/device/cuda_libraries.h"
#include "engine/device/device_facts.h"
#include "engine/device/processor.h"
#include "tests/device/fake_driver.h"
#include "tests/device/fake_driver_files.h"

using namespace luthier;
using namespace luthier::test;

class TestChoosing : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (has_nvidia_node()) QSKIP("this machine has a driver of its own");
    const std::string missing = load_fake_driver();
    QVERIFY2(missing.empty(), missing.c_str());
    qputenv(kFakeCards, "NVIDIA H100 80GB HBM3|9|0|85000000000|21000000000");
    qunsetenv("CUDA_VISIBLE_DEVICES");
    set_log_sink([this](LogLevel level, const std::string& line) {
      if (level == LogLevel::Warning) said_ << QString::fromStdString(line);
    });
  }
  void cleanupTestCase() { set_log_sink({}); }
  void init() {
    said_.clear();
    set_narrow_products(NarrowProducts::Unknown);
  }

  // The driver names a card that LibTorch, which has no CUDA half here, cannot use.
  void the_cpu_in_place_of_a_card_is_told_once() {
    const auto first = choose_device("auto");
    QVERIFY(first.ok() && first->is_cpu());
    QCOMPARE(said_.size(), 1);
    QVERIFY2(said_[0].contains("There is an NVIDIA card (NVIDIA H100 80GB HBM3)"),
             qPrintable(said_[0]));
    QVERIFY(choose_device("auto")->is_cpu());
    QCOMPARE(said_.size(), 1);
    const DeviceNote note = device_note("auto", "auto");
    QVERIFY(note.warns);
    QCOMPARE(QString::fromStdString(note.text), said_[0]);
    QVERIFY(device_note("cpu", "auto").text.empty());
  }

  void a_named_card_is_refused() {
    const auto refused = choose_device("cuda:0");
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().exit_status(), 3);
    QVERIFY(refused.error().what.find("without CUDA") != std::string::npos);
    QVERIFY(device_note("cuda:0", "auto").text.empty());
  }

  void hidden_cards_are_no_news() {
    qputenv("CUDA_VISIBLE_DEVICES", "");
    qputenv(kFakeFailure, "cuInit=100");
    QVERIFY(choose_device("auto")->is_cpu());
    QVERIFY(said_.isEmpty());
    QVERIFY(device_note("auto", "auto").text.empty());
    qunsetenv("CUDA_VISIBLE_DEVICES");
    qunsetenv(kFakeFailure);
  }

  void the_type_on_the_cpu() {
    QCOMPARE(*choose_dtype("auto", torch::kCPU), torch::kFloat32);
    QCOMPARE(*choose_dtype("bfloat16", torch::kCPU), torch::kBFloat16);
    QVERIFY(!choose_dtype("float16", torch::kCPU).ok());
  }

  void what_the_processor_has_for_the_type_is_said() {
    set_narrow_products(NarrowProducts::Tiles);
    QVERIFY(choose_device("cpu")->is_cpu() && choose_device("auto")->is_cpu());
    QCOMPARE(*choose_dtype("auto", torch::kCPU), torch::kFloat32);
    QVERIFY(said_.isEmpty());  // a proposal is no warning
    for (const char* name : {"cpu", "auto"}) {
      const DeviceNote note = device_note(name, "auto");
      QVERIFY2(note.text.ends_with("bfloat16 may train faster than float32, which auto keeps."),
               note.text.c_str());
      QCOMPARE(note.warns, std::string(name) == "auto");  // of the card that cannot be used
      QVERIFY(device_note(name, "float32").text.find("AMX") == std::string::npos);
    }
    set_narrow_products(NarrowProducts::None);
    QCOMPARE(*choose_dtype("bfloat16", torch::kCPU), torch::kBFloat16);
    QCOMPARE(*choose_dtype("bfloat16", torch::kCPU), torch::kBFloat16);
    QCOMPARE(said_.size(), 1);
    QVERIFY(said_[0].contains("no instructions for bfloat16"));
    const DeviceNote note = device_note("cpu", "bfloat16");
    QVERIFY(note.warns);
    QCOMPARE(QString::fromStdString(note.text), said_[0]);
  }

  void the_type_on_a_card() {
    const torch::Device card(torch::kCUDA, 0);
    QCOMPARE(*choose_dtype("auto", card), torch::kBFloat16);
    qputenv(kFakeCards, "Tesla T4|7|5|16000000000|15000000000");
    QCOMPARE(card_of(card)->name, std::string("Tesla T4"));
    QCOMPARE(*choose_dtype("auto", card), torch::kFloat32);
    QCOMPARE(said_.size(), 1);
    QVERIFY(said_[0].contains("has no bfloat16"));
    QVERIFY(!choose_dtype("bfloat16", card).ok());
    QVERIFY(!card_of(torch::kCPU).has_value());
  }

 private:
  QStringList said_;
};

QTEST_GUILESS_MAIN(TestChoosing)
#include "test_choosing.moc"
