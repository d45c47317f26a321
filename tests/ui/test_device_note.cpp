// SPDX-License-Identifier: GPL-3.0-or-later
// A machine whose card cannot be used says so where a person looks: beside the forecast before a
// launch, at the device in the status line, and among the run's events; in Korean too. So does a
// processor that has more than auto takes. The NVIDIA driver is a stand-in (tests/device).
#include "engine/device/cuda_libraries.h"
#include "engine/device/processor.h"
#include "tests/device/fake_driver.h"
#include "tests/device/fake_driver_files.h"
#include "tests/ui/driver.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestDeviceNote : public QObject {
  Q_OBJECT

 private slots:
  void a_card_that_cannot_be_used_is_told();

 private:
  Desk desk_;
};

void TestDeviceNote::a_card_that_cannot_be_used_is_told() {
  if (has_nvidia_node()) QSKIP("this machine has a driver of its own");
  const std::string missing = luthier::test::load_fake_driver();
  QVERIFY2(missing.empty(), missing.c_str());
  qputenv(luthier::test::kFakeCards, "NVIDIA H100 80GB HBM3|9|0|85000000000|21000000000");
  qunsetenv("CUDA_VISIBLE_DEVICES");
  set_narrow_products(NarrowProducts::None);

  MainWindow window;
  window.resize(1280, 800);
  window.show();
  QVERIFY(luthier::test::wait_for_window(&window));
  Person person(window);
  QVERIFY(luthier::test::load_teaching(window, person));
  const QString said = QStringLiteral(
      "There is an NVIDIA card (NVIDIA H100 80GB HBM3), but this LibTorch is without CUDA. The CPU "
      "computes instead. Install LibTorch 2.11 with CUDA.");
  auto* device = person.find<QLabel>("deviceLabel");
  QCOMPARE(device->text(), QStringLiteral("cpu · float32"));
  QCOMPARE(device->toolTip(), said);

  QTest::keyClick(&window, Qt::Key_3, Qt::ControlModifier);
  person.type("field_dataset", luthier::test::few_rows(desk_, "korean", 8, "train.jsonl"));
  person.type("field_output_dir", desk_.run("told"));
  person.type("field_training_max_steps", "1");
  person.type("field_training_gradient_accumulation_steps", "1");
  WAIT_UNTIL(window.workspace().forecast().has_value());
  auto* beside = person.find<QLabel>("forecastDevice");
  QVERIFY(beside->isVisible());
  QCOMPARE(beside->text(), said);
  Language::instance().choose(QStringLiteral("ko"));
  const QString korean = QStringLiteral("NVIDIA 카드(NVIDIA H100 80GB HBM3)가 있지만");
  WAIT_UNTIL(beside->text().contains(korean) && device->toolTip().contains(korean));
  QVERIFY2(beside->text().contains("대신 CPU로 계산합니다."), qPrintable(beside->text()));
  Language::instance().choose(QStringLiteral("en"));
  set_narrow_products(NarrowProducts::Tiles);
  person.type("field_training_max_steps", "2");
  WAIT_UNTIL(beside->text().endsWith("faster than float32, which auto keeps."));
  QVERIFY(beside->text().startsWith(said));

  QVERIFY(person.click("launchButton"));
  WAIT_UNTIL(window.workspace().run() && window.workspace().run()->ended);
  const auto& events = window.workspace().run()->events;
  const auto told = std::find_if(events.begin(), events.end(), [](const RunEvent& event) {
    return event.kind == "warning" && event.detail.find("without CUDA") != std::string::npos;
  });
  QVERIFY(told != events.end());
  WAIT_UNTIL(person.state() == SessionState::Ready);
}

QTEST_MAIN(TestDeviceNote)
#include "test_device_note.moc"
