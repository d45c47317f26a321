// SPDX-License-Identifier: GPL-3.0-or-later
// Which of what nvcc made ahead a card is given. The choice is asked of a source that was made up;
// where the program itself was built with LUTHIER_KERNELS_AHEAD, what is in it is looked at too.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include <QTemporaryDir>
#include <QtTest>

#include "engine/kernels/kernel_binary.h"
#include "tests/kernels/shim_launcher.h"

using namespace luthier;

namespace {

using Form = AheadBinary::Form;

constexpr AheadBinary kAhead[] = {{75, Form::Cubin, "cubin 75"}, {80, Form::Cubin, "cubin 80"},
                                  {86, Form::Cubin, "cubin 86"}, {90, Form::Cubin, "cubin 90"},
                                  {80, Form::Ptx, "PTX 80"},     {90, Form::Ptx, "PTX 90"}};
const KernelSource kMade{"made.cu", "no compiler takes this", kAhead};

/// The architecture of a cubin: a byte of the ELF header's flags, which one by the file's version.
bool is_of(std::string_view cubin, int capability) {
  constexpr std::size_t kFlags = 48;
  std::uint32_t flags = 0;
  if (cubin.size() < kFlags + sizeof flags || !cubin.starts_with("\177ELF")) return false;
  std::memcpy(&flags, cubin.data() + kFlags, sizeof flags);
  const auto wanted = static_cast<std::uint32_t>(capability);
  return (flags & 0xff) == wanted || (flags >> 8 & 0xff) == wanted;
}

}  // namespace

class TestKernelBinary : public QObject {
  Q_OBJECT

 private slots:
  void a_card_gets_what_was_made_for_it_data() {
    QTest::addColumn<int>("capability");
    QTest::addColumn<QByteArray>("wanted");
    QTest::newRow("its own cubin") << 90 << QByteArray("cubin 90");
    QTest::newRow("its own among its kind") << 80 << QByteArray("cubin 80");
    QTest::newRow("the newest that it runs") << 89 << QByteArray("cubin 86");
    QTest::newRow("a later one of the kind") << 93 << QByteArray("cubin 90");
    QTest::newRow("a later kind") << 100 << QByteArray("PTX 90");
    QTest::newRow("a much later kind") << 120 << QByteArray("PTX 90");
  }
  void a_card_gets_what_was_made_for_it() {
    QFETCH(int, capability);
    QFETCH(QByteArray, wanted);
    const QTemporaryDir folder;
    KernelCache cache(folder.path().toStdString());
    const auto made = kernel_binary(kMade, capability, cache);
    QVERIFY2(made.ok(), made.ok() ? "" : made.error().what.c_str());
    QCOMPARE(QByteArray::fromStdString(*made), wanted);
    // Nothing was compiled.
    QVERIFY(std::filesystem::is_empty(folder.path().toStdString()));
  }

  void the_order_of_the_list_does_not_matter() {
    std::vector<AheadBinary> turned(std::rbegin(kAhead), std::rend(kAhead));
    const KernelSource source{"made.cu", "", turned};
    for (const int capability : {75, 80, 86, 89, 90, 93, 100, 120})
      QCOMPARE(ahead_for(source, capability)->bytes, ahead_for(kMade, capability)->bytes);
  }

  /// PTX of a later architecture is not for it, nor are other kinds' cubins: it asks the compiler.
  void a_card_that_nothing_was_made_for_compiles() {
    QVERIFY(!ahead_for(kMade, 70));
    QVERIFY(!ahead_for({"made.cu", "", {}}, 90));
    const KernelSource newer{"made.cu", "no compiler takes this", std::span(kAhead).last(1)};
    QVERIFY(!ahead_for(newer, 89));
    const QTemporaryDir folder;
    KernelCache cache(folder.path().toStdString());
    QVERIFY(!kernel_binary(newer, 89, cache).ok());
  }

  void what_the_program_brings_is_whole() {
    if (kernel_sources().front().ahead.empty()) QSKIP("built without LUTHIER_KERNELS_AHEAD");
    std::set<std::string> missing = shim::entries(), missing_in_text = missing;
    const auto found_in = [](std::string_view bytes, std::set<std::string>& names) {
      std::erase_if(names, [bytes](const std::string& name) {
        return bytes.find(name) != std::string_view::npos;
      });
    };
    for (const KernelSource& source : kernel_sources()) {
      for (const AheadBinary& made : source.ahead) {
        if (made.form == Form::Cubin)
          QVERIFY2(is_of(made.bytes, made.capability), source.name.data());
        QCOMPARE(ahead_for(source, made.capability)->form, Form::Cubin);
        QCOMPARE(ahead_for(source, made.capability)->capability, made.capability);
      }
      found_in(ahead_for(source, 90)->bytes, missing);
      const AheadBinary* later = ahead_for(source, 990);
      QVERIFY(later && later->form == Form::Ptx);
      const std::string target = ".target sm_" + std::to_string(later->capability);
      QVERIFY(later->bytes.find(target) != std::string_view::npos);
      QVERIFY(later->bytes.find('\0') == std::string_view::npos);
      found_in(later->bytes, missing_in_text);
    }
    QVERIFY2(missing.empty(), missing.empty() ? "" : missing.begin()->c_str());
    QVERIFY2(missing_in_text.empty(), "an entry is not in the PTX");
  }
};

QTEST_APPLESS_MAIN(TestKernelBinary)
#include "test_kernel_binary.moc"
