// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF as it is written: bytes in their places, float16 as IEEE has it, blocks of Q8_0 within half
// a step, and what is no file refused.
#include <QtTest>

#include <cmath>
#include <cstring>

#include "engine/io/files.h"
#include "engine/io/gguf.h"

using namespace luthier;

class TestGguf : public QObject {
  Q_OBJECT

 private slots:
  void halves_round_to_the_nearest();
  void blocks_are_within_half_a_step();
  void a_file_to_the_byte();
  void tensors_stand_at_multiples_of_32();
  void what_cannot_be_written();

 private:
  QTemporaryDir folder_;
  std::filesystem::path file(const char* name) const {
    return std::filesystem::path(folder_.path().toStdString()) / name;
  }
};

void TestGguf::halves_round_to_the_nearest() {
  // Every float16 is itself, and so is what lies nearest to it on either side.
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_value(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    QCOMPARE(half_bits(value), static_cast<std::uint16_t>(bits));
    const bool last = (bits & 0x7FFF) >= 0x7BFF;
    if (last) continue;
    const float next = half_value(static_cast<std::uint16_t>(bits + 1));
    const float middle = value / 2 + next / 2;
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    QCOMPARE(half_bits(middle), even);
    QCOMPARE(half_bits(std::nextafter(middle, value)), static_cast<std::uint16_t>(bits));
    QCOMPARE(half_bits(std::nextafter(middle, next)), static_cast<std::uint16_t>(bits + 1));
  }
  QCOMPARE(half_bits(65519.0F), std::uint16_t(0x7BFF));
  QCOMPARE(half_bits(65520.0F), std::uint16_t(0x7C00));
  QCOMPARE(half_bits(-1e30F), std::uint16_t(0xFC00));
  QVERIFY(std::isnan(half_value(half_bits(std::nanf("")))));
}

void TestGguf::blocks_are_within_half_a_step() {
  std::vector<float> numbers(4 * kQ8Block);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] =
        std::sin(static_cast<float>(i) * 1.7F) * std::pow(10.0F, static_cast<float>(i % 3));
  std::fill_n(numbers.begin() + kQ8Block, kQ8Block, 0.0F);
  numbers[2 * kQ8Block] = -500;  // the largest of its block
  std::vector<std::byte> blocks(4 * (2 + kQ8Block));
  encode_q8_0(numbers, blocks);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t block = i / kQ8Block * (2 + kQ8Block);
    std::uint16_t bits = 0;
    std::memcpy(&bits, blocks.data() + block, 2);
    std::int8_t whole = 0;
    std::memcpy(&whole, blocks.data() + block + 2 + i % kQ8Block, 1);
    const float scale = half_value(bits);
    const float allowed = scale / 2 + std::fabs(static_cast<float>(whole)) * scale / 2048 + 1e-7F;
    QVERIFY2(std::fabs(static_cast<float>(whole) * scale - numbers[i]) <= allowed,
             qPrintable(QString::number(i)));
    if (i == 2 * kQ8Block) QCOMPARE(int(whole), -127);
  }
}

void TestGguf::a_file_to_the_byte() {
  const float numbers[] = {1, -2};
  QVERIFY(write_gguf(file("one.gguf"), {{"general.architecture", std::string("x")}},
                     {{"w", GgufType::F32, {1, 2}}},
                     [&](std::size_t, const TakeBytes& take) {
                       return take(std::as_bytes(std::span(numbers)));
                     })
              .ok());
  const auto got = read_file(file("one.gguf"));
  QVERIFY(got.ok());
  std::string wanted = "GGUF";
  const auto number = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) wanted += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  const auto text = [&](const std::string& value) {
    number(value.size(), 8);
    wanted += value;
  };
  number(3, 4), number(1, 8), number(1, 8);
  text("general.architecture"), number(8, 4), text("x");
  text("w"), number(2, 4), number(2, 8), number(1, 8), number(0, 4), number(0, 8);
  wanted.append((32 - wanted.size() % 32) % 32, '\0');
  wanted.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  wanted.append(24, '\0');
  QCOMPARE(QByteArray::fromStdString(*got), QByteArray::fromStdString(wanted));
}

void TestGguf::tensors_stand_at_multiples_of_32() {
  const GgufFields fields{{"general.architecture", std::string("x")},
                          {"a.list", std::vector<std::string>{"one", "two", ""}},
                          {"a.flags", std::vector<bool>{true, false}},
                          {"a.number", std::int32_t(-7)},
                          {"a.share", 0.25F}};
  std::vector<std::size_t> asked;
  QVERIFY(write_gguf(file("two.gguf"), fields,
                     {{"a", GgufType::F16, {3}}, {"b", GgufType::Q8_0, {2, 32}}},
                     [&](std::size_t index, const TakeBytes& take) -> Status {
                       asked.push_back(index);
                       const std::vector<std::byte> bytes(index == 0 ? 3 : 34, std::byte{7});
                       LUTHIER_CHECK(take(bytes));  // in pieces
                       return take(bytes);
                     })
              .ok());
  QCOMPARE(asked, (std::vector<std::size_t>{0, 1}));
  const auto got = read_file(file("two.gguf"));
  // The last 32 + 96 bytes: six bytes and their padding, 68 and theirs.
  const std::string data = got->substr(got->size() - 128);
  QCOMPARE(data.substr(0, 6), std::string(6, '\7'));
  QCOMPARE(data.substr(6, 26), std::string(26, '\0'));
  QCOMPARE(data.substr(32, 68), std::string(68, '\7'));
  QCOMPARE((got->size() - 128) % 32, std::size_t(0));
}

void TestGguf::what_cannot_be_written() {
  const GgufFields fields{{"general.architecture", std::string("x")}};
  const auto nothing = [](std::size_t, const TakeBytes&) { return Status(); };
  const auto refused = [&](const GgufFields& own, const std::vector<GgufOutline>& outlines) {
    return !write_gguf(file("no.gguf"), own, outlines, nothing).ok();
  };
  QVERIFY(refused(fields, {{"a", GgufType::Q8_0, {2, 33}}}));  // no whole blocks
  QVERIFY(refused(fields, {{"a", GgufType::F32, {0}}, {"a", GgufType::F32, {0}}}));
  QVERIFY(refused(fields, {{std::string(64, 'a'), GgufType::F32, {0}}}));  // too long for ggml
  QVERIFY(refused({fields.front(), fields.front()}, {}));
  QVERIFY(refused(fields, {{"a", GgufType::F32, {1ll << 40, 1ll << 40}}}));
  QVERIFY(refused(fields, {{"a", GgufType::F32, {2}}}));  // fewer bytes than its shape has
}

QTEST_GUILESS_MAIN(TestGguf)
#include "test_gguf.moc"
