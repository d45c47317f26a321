// SPDX-License-Identifier: GPL-3.0-or-later
// The sources that are in the program are those of the tree, and CUDA's compiler takes every one
// for every kind of card that is supported, without a register that does not fit (spills would go
// to memory and back). Where NVRTC is missing all of it is skipped, and ctest says so.
#include <QFile>
#include <QtTest>

#include <map>
#include <regex>
#include <set>

#include "engine/kernels/compiler.h"
#include "tests/kernels/shim_launcher.h"

using namespace luthier;

namespace {

constexpr int kMostRegisters = 64;  // of 65,536: 1,024 threads on a multiprocessor at least

struct Figures {
  int registers = 0, spilled = 0, stack = 0;
};

/// By entry, as ptxas reports them.
std::map<std::string, Figures> figures(const std::string& log) {
  std::map<std::string, Figures> all;
  static const std::regex entry(
      "entry function '(\\w+)'[\\s\\S]*?(\\d+) bytes stack frame, (\\d+) "
      "bytes spill stores, (\\d+) bytes spill loads[\\s\\S]*?Used (\\d+) "
      "registers");
  for (std::sregex_iterator at(log.begin(), log.end(), entry), end; at != end; ++at)
    all[(*at)[1]] = {std::stoi((*at)[5]), std::stoi((*at)[3]) + std::stoi((*at)[4]),
                     std::stoi((*at)[2])};
  return all;
}

}  // namespace

class TestCompiler : public QObject {
  Q_OBJECT

 private slots:
  void sources_are_those_of_the_tree() {
    int count = 0;
    for (const auto& list : {kernel_sources(), kernel_headers()}) {
      for (const KernelSource& source : list) {
        QFile file(
            QStringLiteral(LUTHIER_SOURCE_DIR "/engine/kernels/source/") +
            QString::fromUtf8(source.name.data(), static_cast<qsizetype>(source.name.size())));
        QVERIFY(file.open(QIODevice::ReadOnly));
        QCOMPARE(QByteArray(source.text.data(), static_cast<qsizetype>(source.text.size())),
                 file.readAll());
        ++count;
      }
    }
    QCOMPARE(count, 9);
    QVERIFY(kernel_source("rms_norm.cu") && !kernel_source("rms_norm"));
  }

  void every_source_fits_every_card_data() {
    QTest::addColumn<QString>("card");
    for (const char* card : {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"})
      QTest::newRow(card) << card;
  }
  void every_source_fits_every_card() {
    QFETCH(QString, card);
    const Result<KernelCompiler> compiler = KernelCompiler::open(libraries());
    if (!compiler) QSKIP(compiler.error().what.c_str());
    std::set<std::string> seen;
    for (const KernelSource& source : kernel_sources()) {
      const auto made = compiler->compile(source, card.toStdString(), true);
      QVERIFY2(made.ok(), made.ok() ? "" : made.error().what.c_str());
      QVERIFY(made->binary.starts_with("\177ELF"));
      for (const auto& [entry, one] : figures(made->log)) {
        qInfo("%s %-32s %3d registers, %d bytes of stack, %d spilled", qPrintable(card),
              entry.c_str(), one.registers, one.stack, one.spilled);
        QCOMPARE(one.spilled, 0);
        QCOMPARE(one.stack, 0);
        QVERIFY2(one.registers > 0 && one.registers <= kMostRegisters, entry.c_str());
        seen.insert(entry);
      }
    }
    QCOMPARE(seen, shim::entries());  // what runs as C++ is what is compiled, all of it
  }

  void cards_get_what_the_compiler_knows() {
    const Result<KernelCompiler> compiler = KernelCompiler::open(libraries());
    if (!compiler) QSKIP(compiler.error().what.c_str());
    QVERIFY(!compiler->version().empty());
    QCOMPARE(compiler->architecture_for(90).value(), std::string("sm_90"));
    const std::string later = compiler->architecture_for(990).value();
    QVERIFY(later.starts_with("compute_"));
    const auto ptx = compiler->compile(*kernel_source("dropout.cu"), later);
    QVERIFY(ptx.ok() && ptx->binary.find(".entry") != std::string::npos);
    QVERIFY(!compiler->architecture_for(20).ok());
  }

  void a_failure_keeps_the_log() {
    const Result<KernelCompiler> compiler = KernelCompiler::open(libraries());
    if (!compiler) QSKIP(compiler.error().what.c_str());
    const auto made =
        compiler->compile({"broken.cu", "__global__ void f() { nothing(); }", {}}, "sm_90");
    QVERIFY(!made.ok());
    QVERIFY(made.error().what.find("nothing") != std::string::npos);
    QCOMPARE(made.error().where, std::string("broken.cu"));
  }

  void a_library_that_is_none_is_an_error() {
    const auto compiler = KernelCompiler::open({"libnothing.so.1", "libm.so.6"});
    QVERIFY(!compiler.ok());
    QVERIFY(!compiler.error().what.empty());
  }

 private:
  /// This test does not load LibTorch: its wheels' place is known to the build.
  static std::vector<std::string> libraries() {
    std::vector<std::string> all = KernelCompiler::usual_libraries();
    for (const char* name : {"cu13/lib/libnvrtc.so.13", "cuda_nvrtc/lib/libnvrtc.so.12"})
      all.push_back(std::string(LUTHIER_SOURCE_DIR) + "/.deps/libtorch/nvidia/" + name);
    return all;
  }
};

QTEST_APPLESS_MAIN(TestCompiler)
#include "test_compiler.moc"
