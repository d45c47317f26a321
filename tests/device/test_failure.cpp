// SPDX-License-Identifier: GPL-3.0-or-later
// What work on a device throws, as a person reads it: a card that died, memory that ran out, and
// any other failure are told apart, and LibTorch's own advice to programmers is in none of them.
#include "engine/device/failure.h"

#include <c10/util/Exception.h>

#include <new>

#include <QtTest>

#include "engine/device/lost_device.h"

using namespace luthier;

namespace {

Error said_of(const std::exception& failure, const std::string& device = "") {
  return device_failure(failure, machine_error("No room.", "model", "Take less."),
                        machine_error("It failed.", "model"), device);
}

}  // namespace

class TestFailure : public QObject {
  Q_OBJECT

 private slots:
  void cleanup() { set_lost_device(""); }

  void by_message_data() {
    QTest::addColumn<QString>("message");
    QTest::addColumn<QString>("sentence");
    const QString lost =
        "model: %1 stopped answering this program (%2), and nothing on it can be read any more. "
        "Start the program anew.";
    QTest::newRow("an illegal address")
        << "CUDA error: an illegal memory access was encountered\nCompile with "
           "`TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
        << lost.arg("cuda:1", "an illegal memory access was encountered");
    QTest::newRow("a card that fell off the bus")
        << "CUDA error: unknown error" << lost.arg("cuda:1", "unknown error");
    QTest::newRow("a full card")
        << "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79 GiB"
        << "model: No room. Take less.";
    QTest::newRow("a full runtime") << "CUDA error: out of memory"
                                    << "model: No room. Take less.";
    QTest::newRow("no workspace")
        << "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
        << "model: No room. Take less.";
    QTest::newRow("no room for a handle")
        << "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
        << "model: No room. Take less.";
    QTest::newRow("a card that another program has to itself")
        << "CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel errors "
           "might "
           "be asynchronously reported at some other API call."
        << "model: cuda:1 lets no other program in: one has it to itself, or it is closed. Wait "
           "until it is free, or use another card; `nvidia-smi -q -d COMPUTE` says its mode.";
    QTest::newRow("shapes") << "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"
                            << "model: It failed.";
  }
  void by_message() {
    QFETCH(QString, message);
    QFETCH(QString, sentence);
    const Error error = said_of(std::runtime_error(message.toStdString()), "cuda:1");
    QCOMPARE(QString::fromStdString(error.sentence()), sentence);
    QCOMPARE(error.exit_status(), 3);
    QCOMPARE(lost_device().empty(), !sentence.contains("stopped answering"));
  }

  void by_kind() {
    QCOMPARE(said_of(std::bad_alloc()).what, std::string("No room."));
    QCOMPARE(said_of(c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "CPU")).what,
             std::string("No room."));
    QVERIFY(lost_device().empty());
  }

  void where_nobody_says_which_it_is_the_card() {
    const Error error = said_of(std::runtime_error("CUDA error: misaligned address"));
    QVERIFY2(error.sentence().starts_with("model: cuda stopped answering"),
             error.sentence().c_str());
    QCOMPARE(card_at_work(), std::string());
  }
};

QTEST_GUILESS_MAIN(TestFailure)
#include "test_failure.moc"
