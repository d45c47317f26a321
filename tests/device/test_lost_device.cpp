// SPDX-License-Identifier: GPL-3.0-or-later
// Which failures end a CUDA context, by the messages that LibTorch 2.11 and CUDA's libraries give,
// and which are of the one call alone.
#include "engine/device/lost_device.h"

#include <c10/util/Exception.h>

#include <QtTest>

#include "engine/device/device.h"
#include "engine/device/memory.h"

using namespace luthier;

namespace {

constexpr const char* kAdvice =
    "\nSearch for `cudaError' in https://docs.nvidia.com/cuda/cuda-runtime-api/"
    "group__CUDART__TYPES.html for more information.\nCUDA kernel errors might be asynchronously "
    "reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging "
    "consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable "
    "device-side assertions.\n";

std::optional<std::string> said_by(const std::string& message) {
  return device_loss(std::runtime_error(message));
}

}  // namespace

class TestLostDevice : public QObject {
  Q_OBJECT

 private slots:
  void cleanup() { set_lost_device(""); }

  void messages_data() {
    QTest::addColumn<QString>("message");
    QTest::addColumn<QString>("why");  // empty: the device goes on
    const auto row = [](const char* name, const QString& message, const char* why) {
      QTest::newRow(name) << message << QString(why);
    };
    for (const char* words :
         {"an illegal memory access was encountered", "device-side assert triggered",
          "unspecified launch failure", "misaligned address",
          "an illegal instruction was encountered", "the launch timed out and was terminated",
          "uncorrectable ECC error encountered", "hardware stack error", "invalid program counter",
          "context is destroyed", "no CUDA-capable device is detected", "unknown error",
          "operation not supported on global/shared address space",
          "uncorrectable NVLink error detected during the execution",
          "tensor memory not completely freed", "the MPS client has been terminated by the server",
          "an async error has occured in external entity outside of CUDA"}) {
      row(words, QString("CUDA error: ") + words + kAdvice, words);
    }
    row("the driver's own API", "CUDA driver error: an illegal memory access was encountered",
        "an illegal memory access was encountered");
    row("behind a place",
        "Exception raised from launch at kernels.cu:12: CUDA error: misaligned "
        "address",
        "misaligned address");
    row("out of memory",
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB "
        "of which 11.19 MiB is free. Process 1 has 79.08 GiB memory in use.",
        "");
    row("out of memory in the runtime", QString("CUDA error: out of memory") + kAdvice, "");
    row("no kernel for the card",
        QString("CUDA error: no kernel image is available for execution on the device") + kAdvice,
        "");
    row("a bad argument", QString("CUDA error: invalid argument") + kAdvice, "");
    row("a bad launch", QString("CUDA error: invalid configuration argument") + kAdvice, "");
    row("a busy card",
        QString("CUDA error: CUDA-capable device(s) is/are busy or unavailable") + kAdvice, "");
    row("no handle",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "");
    row("no workspace",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "");
    row("a call that cuBLAS did not carry out",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`",
        "");  // the device is asked
    row("of another thing", "Reading failed: unknown error", "");
    row("of a shape", "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", "");
  }
  void messages() {
    QFETCH(QString, message);
    QFETCH(QString, why);
    const auto found = said_by(message.toStdString());
    QCOMPARE(found.has_value(), !why.isEmpty());
    if (found) QCOMPARE(QString::fromStdString(*found), why);
    // One failure is one or the other, or neither.
    if (found) QVERIFY(!is_out_of_memory(std::runtime_error(message.toStdString())));
  }

  void the_code_is_enough_data() {
    QTest::addColumn<int>("code");
    QTest::addColumn<bool>("lost");
    for (const int code : {100, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999})
      QTest::newRow(qPrintable(QString::number(code))) << code << true;
    for (const int code : {1, 2, 9, 35, 46, 98, 209, 222, 801})
      QTest::newRow(qPrintable(QString::number(code))) << code << false;
  }
  void the_code_is_enough() {
    QFETCH(int, code);
    QFETCH(bool, lost);
    const c10::AcceleratorError failure({__func__, __FILE__, __LINE__}, code, "words to come");
    QCOMPARE(device_loss(failure).has_value(), lost);
  }

  void what_is_found_is_kept() {
    const std::runtime_error dead(std::string("CUDA error: unspecified launch failure") + kAdvice);
    const std::runtime_error alive("CUDA error: invalid argument");
    QVERIFY(!device_loss(alive, torch::kCPU));
    QVERIFY(lost_device().empty());
    QVERIFY(device_loss(dead, torch::kCPU));
    QCOMPARE(lost_device(), std::string("unspecified launch failure"));
    // No card is chosen from then on, and the CPU is not taken in silence either.
    QVERIFY(!choose_device("auto").ok());
    QVERIFY(!choose_device("cuda").ok());
    QVERIFY(choose_device("cpu").ok());
  }

  void the_sentence() {
    const Error error = lost_device_error(torch::Device(torch::kCUDA, 1), "misaligned address",
                                          "runs/a", "The checkpoint of step 4 stands.");
    QCOMPARE(error.exit_status(), 3);
    QCOMPARE(error.sentence(),
             std::string("runs/a: cuda:1 stopped answering this program (misaligned address), and "
                         "nothing on it can be read any more. The checkpoint of step 4 stands."));
    QCOMPARE(lost_device_error(torch::kCUDA, "x", "y").hint,
             std::string("Start the program anew."));
  }
};

QTEST_GUILESS_MAIN(TestLostDevice)
#include "test_lost_device.moc"
