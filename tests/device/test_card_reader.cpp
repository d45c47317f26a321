// SPDX-License-Identifier: GPL-3.0-or-later
// The driver as it is asked, against stand-ins for its two libraries: what they say arrives, each
// call that fails is named, and nothing that they lack is called.
#include "engine/device/card_reader.h"

#include <QtTest>

#include <filesystem>

#include "tests/device/fake_driver.h"
#include "tests/device/fake_driver_files.h"

using namespace luthier;
using namespace luthier::test;

namespace {

const DriverLibraries& fakes() {
  static const DriverLibraries libraries{fake_driver_file("libcuda.so.1"),
                                         fake_driver_file("libnvidia-ml.so.1")};
  return libraries;
}

DeviceFacts read() {
  DeviceFacts facts;
  read_driver(facts, fakes());
  return facts;
}

constexpr const char* kTwoCards =
    "NVIDIA GeForce GTX 1080|6|1|8500000000|8000000000;"
    "NVIDIA H100 80GB HBM3|9|0|85000000000|21000000000";

}  // namespace

class TestCardReader : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { QVERIFY(std::filesystem::exists(fakes().cuda)); }
  void init() {
    for (const char* name : {kFakeFailure, kFakeCudaVersion, "CUDA_VISIBLE_DEVICES"})
      qunsetenv(name);
    qputenv(kFakeCards, kTwoCards);
  }

  void what_the_driver_says_arrives() {
    qputenv("CUDA_VISIBLE_DEVICES", "1,0");
    const DeviceFacts facts = read();
    QVERIFY(facts.driver_found);
    QCOMPARE(facts.driver_error, 0);
    QCOMPARE(facts.driver_cuda, 13000);
    QCOMPARE(facts.driver_version, std::string("550.54.15"));
    QCOMPARE(facts.visible_devices.value_or("none"), std::string("1,0"));
    QCOMPARE(facts.cards.size(), std::size_t(2));
    QCOMPARE(facts.cards[0].name, std::string("NVIDIA GeForce GTX 1080"));
    QCOMPARE(facts.cards[0].capability, 61);
    QCOMPARE(facts.cards[0].total, std::int64_t(8'500'000'000));
    QCOMPARE(facts.cards[0].free, std::int64_t(8'000'000'000));
    QCOMPARE(facts.cards[1].capability, 90);
    QCOMPARE(facts.cards[1].total, std::int64_t(85'000'000'000));
    QCOMPARE(facts.cards[1].free, std::int64_t(21'000'000'000));
  }

  void a_closed_card_is_told() {
    qputenv(kFakeCards, "H100|9|0|85000000000|100|2;H100|9|0|85000000000|100|3;H100|9|0|8500|100");
    const DeviceFacts facts = read();
    QCOMPARE(facts.cards.size(), std::size_t(3));
    QVERIFY(facts.cards[0].closed && !facts.cards[1].closed && !facts.cards[2].closed);
  }

  void it_is_asked_anew_each_time() {
    QCOMPARE(read().cards[1].free, std::int64_t(21'000'000'000));
    qputenv(kFakeCards, "NVIDIA H100 80GB HBM3|9|0|85000000000|100");
    const DeviceFacts facts = read();
    QCOMPARE(facts.cards.size(), std::size_t(1));
    QCOMPARE(facts.cards[0].free, std::int64_t(100));
  }

  void a_call_that_fails_is_named_data() {
    QTest::addColumn<QString>("call");
    for (const char* call : {"cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet",
                             "cuDeviceGetName", "cuDeviceGetAttribute", "cuDeviceTotalMem_v2"})
      QTest::newRow(call) << call;
  }
  void a_call_that_fails_is_named() {
    QFETCH(QString, call);
    qputenv(kFakeFailure, (call + "=999").toUtf8());
    const DeviceFacts facts = read();
    QVERIFY(facts.driver_found);
    QCOMPARE(facts.driver_error, 999);
    QCOMPARE(QString::fromStdString(facts.driver_call), call);
    QVERIFY(facts.cards.empty());
    // How old the driver is is known even where it cannot start.
    if (call == "cuInit") QCOMPARE(facts.driver_cuda, 13000);
  }

  // The others would stand under numbers that are not theirs.
  void one_card_that_does_not_answer_hides_all() {
    const std::string good = "NVIDIA H100 80GB HBM3|9|0|85000000000|100";
    for (const std::string& cards : {good + ";lost|8|6|0|0", "lost|8|6|0|0;" + good}) {
      qputenv(kFakeCards, cards.c_str());
      const DeviceFacts facts = read();
      QCOMPARE(facts.driver_call, std::string("cuDeviceTotalMem_v2"));
      QCOMPARE(facts.driver_error, 999);
      QVERIFY(facts.cards.empty());
    }
  }

  void without_management_only_free_memory_is_unknown_data() {
    QTest::addColumn<QString>("call");
    QTest::addColumn<QString>("version");
    for (const char* call :
         {"nvmlInit_v2", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetMemoryInfo", "cuDeviceGetUuid"})
      QTest::newRow(call) << call << QString(qstrcmp(call, "nvmlInit_v2") ? "550.54.15" : "");
    QTest::newRow("no such library") << "absent"
                                     << "";
  }
  void without_management_only_free_memory_is_unknown() {
    QFETCH(QString, call);
    QFETCH(QString, version);
    qputenv(kFakeFailure, (call + "=3").toUtf8());
    DriverLibraries libraries = fakes();
    if (call == "absent") libraries.management = "/nowhere/libnvidia-ml.so.1";
    DeviceFacts facts;
    read_driver(facts, libraries);
    QCOMPARE(facts.driver_error, 0);
    QCOMPARE(facts.cards.size(), std::size_t(2));
    QCOMPARE(facts.cards[1].total, std::int64_t(85'000'000'000));
    QCOMPARE(facts.cards[0].free, std::int64_t(-1));
    QCOMPARE(facts.cards[1].free, std::int64_t(-1));
    QCOMPARE(QString::fromStdString(facts.driver_version), version);
  }

  void no_driver_and_half_a_driver() {
    DeviceFacts facts;
    read_driver(facts, {"/nowhere/libcuda.so.1", fakes().management});
    QVERIFY(!facts.driver_found);
    QVERIFY(facts.driver_problem.find("/nowhere/libcuda.so.1") != std::string::npos);
    // A library that is there and has none of the entries.
    read_driver(facts, {fakes().management, fakes().management});
    QVERIFY(!facts.driver_found);
    QVERIFY2(facts.driver_problem.find("cuInit") != std::string::npos,
             facts.driver_problem.c_str());
    QVERIFY(facts.cards.empty());
  }

  void no_card() {
    qputenv(kFakeCards, "");
    const DeviceFacts facts = read();
    QVERIFY(facts.driver_found && facts.cards.empty());
    QCOMPARE(facts.driver_error, 0);
    qputenv(kFakeFailure, "cuInit=100");
    QCOMPARE(read().driver_error, 100);
  }
};

QTEST_GUILESS_MAIN(TestCardReader)
#include "test_card_reader.moc"
