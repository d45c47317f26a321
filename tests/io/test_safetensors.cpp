// SPDX-License-Identifier: GPL-3.0-or-later
// safetensors: what is written is what the reference implementation writes, to the byte; what is
// hostile is refused by name.
#include <QtTest>

#include <cstring>
#include <fstream>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/patience.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

std::string file_with(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string tensor_entry(const std::string& name, const std::string& dtype,
                         const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

}  // namespace

class TestSafetensors : public QObject {
  Q_OBJECT

 private slots:
  void writesWhatTheReferenceWrites() {
    // Made with safetensors.torch.save_file of zeros of every dtype, a rank-0, an empty one and a
    // name that must be escaped.
    const std::string expected =
        R"({"__metadata__":{"format":"pt"},"t_uint64":{"dtype":"U64","shape":[3],)"
        R"("data_offsets":[0,24]},"t_int64":{"dtype":"I64","shape":[3],"data_offsets":[24,48]},)"
        R"("t_float64":{"dtype":"F64","shape":[3],"data_offsets":[48,72]},)"
        "\"a\\\"\\\\\\n\\u0001\x7f\xc3\xa9\xed\x95\x9c\""
        R"(:{"dtype":"F32","shape":[],"data_offsets":[72,76]},"b":{"dtype":"F32","shape":[0,4],)"
        R"("data_offsets":[76,76]},)"
        R"("t_float32":{"dtype":"F32","shape":[3],"data_offsets":[76,88]},)"
        R"("t_uint32":{"dtype":"U32","shape":[3],"data_offsets":[88,100]},)"
        R"("t_int32":{"dtype":"I32","shape":[3],"data_offsets":[100,112]},)"
        R"("t_bfloat16":{"dtype":"BF16","shape":[3],"data_offsets":[112,118]},)"
        R"("t_float16":{"dtype":"F16","shape":[3],"data_offsets":[118,124]},)"
        R"("t_uint16":{"dtype":"U16","shape":[3],"data_offsets":[124,130]},)"
        R"("t_int16":{"dtype":"I16","shape":[3],"data_offsets":[130,136]},)"
        R"("t_float8_e4m3fn":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[136,139]},)"
        R"("t_float8_e5m2":{"dtype":"F8_E5M2","shape":[3],"data_offsets":[139,142]},)"
        R"("t_int8":{"dtype":"I8","shape":[3],"data_offsets":[142,145]},)"
        R"("t_uint8":{"dtype":"U8","shape":[3],"data_offsets":[145,148]},)"
        R"("t_bool":{"dtype":"BOOL","shape":[3],"data_offsets":[148,151]}})";
    const std::string zeros(24, '\0');
    const auto bytes = [&](std::size_t count) { return as_bytes(zeros).first(count); };
    std::vector<TensorToWrite> tensors{
        {"t_bool", DType::BOOL, {3}, bytes(3)},
        {"t_uint8", DType::U8, {3}, bytes(3)},
        {"t_int8", DType::I8, {3}, bytes(3)},
        {"t_float8_e5m2", DType::F8_E5M2, {3}, bytes(3)},
        {"t_float8_e4m3fn", DType::F8_E4M3, {3}, bytes(3)},
        {"t_int16", DType::I16, {3}, bytes(6)},
        {"t_uint16", DType::U16, {3}, bytes(6)},
        {"t_float16", DType::F16, {3}, bytes(6)},
        {"t_bfloat16", DType::BF16, {3}, bytes(6)},
        {"t_int32", DType::I32, {3}, bytes(12)},
        {"t_uint32", DType::U32, {3}, bytes(12)},
        {"t_float32", DType::F32, {3}, bytes(12)},
        {"t_float64", DType::F64, {3}, bytes(24)},
        {"t_int64", DType::I64, {3}, bytes(24)},
        {"t_uint64", DType::U64, {3}, bytes(24)},
        {"a\"\\\n\x01\x7f\xc3\xa9\xed\x95\x9c", DType::F32, {}, bytes(4)},
        {"b", DType::F32, {0, 4}, bytes(0)}};
    const fs::path path = folder() / "all.safetensors";
    const auto status = write_safetensors(path, tensors);
    QVERIFY2(status.ok(), status.ok() ? "" : status.error().sentence().c_str());
    const std::string written = read_file(path).take();
    std::string header = expected;
    header.append((8 - header.size() % 8) % 8, ' ');
    QCOMPARE(QByteArray::fromStdString(written),
             QByteArray::fromStdString(file_with(header, std::string(151, '\0'))));

    auto file = SafetensorsFile::open(path);
    QVERIFY(file.ok());
    QCOMPARE(file->header().tensors.size(), tensors.size());
    QCOMPARE(file->header().metadata.at("format"), std::string("pt"));
    QCOMPARE(file->find("a\"\\\n\x01\x7f\xc3\xa9\xed\x95\x9c")->info.elements(), std::int64_t(1));
    QCOMPARE(file->find("b")->info.elements(), std::int64_t(0));
    QVERIFY(!file->find("nothing"));
  }

  void bytesComeBack() {
    std::string one(16, '\0'), two(6, '\0');
    for (std::size_t i = 0; i < one.size(); ++i) one[i] = static_cast<char>(i * 17);
    for (std::size_t i = 0; i < two.size(); ++i) two[i] = static_cast<char>(200 + i);
    const fs::path path = folder() / "bytes.safetensors";
    QVERIFY(write_safetensors(path,
                              {{"two", DType::BF16, {3}, as_bytes(two)},
                               {"one", DType::F32, {2, 2}, as_bytes(one)}},
                              {})
                .ok());
    auto opened = SafetensorsFile::open(path);
    QVERIFY(opened.ok());
    const SafetensorsFile copy = *opened;
    opened = input_error("gone");  // a copy keeps the file open
    QVERIFY(copy.header().metadata.empty());
    QVERIFY(std::memcmp(copy.find("one")->bytes()->data(), one.data(), one.size()) == 0);
    QVERIFY(std::memcmp(copy.find("two")->bytes()->data(), two.data(), two.size()) == 0);
    QCOMPARE(copy.find("one")->info.shape, (std::vector<std::int64_t>{2, 2}));
  }

  /// Asked for once each, in the file's order, in pieces of any size.
  void bytesThatAreAskedFor() {
    std::string one(16, '\0'), two(6, '\0');
    for (std::size_t i = 0; i < one.size(); ++i) one[i] = static_cast<char>(i * 17);
    for (std::size_t i = 0; i < two.size(); ++i) two[i] = static_cast<char>(200 + i);
    const std::vector<TensorOutline> outlines{
        {"two", DType::BF16, {3}}, {"none", DType::F32, {0}}, {"one", DType::F32, {2, 2}}};
    const std::vector<std::string> contents{two, "", one};
    const fs::path whole = folder() / "whole.safetensors", path = folder() / "asked.safetensors";
    QVERIFY(write_safetensors(whole, {{"two", DType::BF16, {3}, as_bytes(two)},
                                      {"none", DType::F32, {0}, {}},
                                      {"one", DType::F32, {2, 2}, as_bytes(one)}})
                .ok());
    for (const std::size_t piece : {1u, 5u, 100u}) {
      std::vector<std::size_t> asked;
      const Status written = write_safetensors(
          path, outlines, [&](std::size_t index, const TakeBytes& take) -> Status {
            asked.push_back(index);
            for (std::size_t at = 0; at < contents[index].size(); at += piece) {
              const std::string now = contents[index].substr(at, piece);
              LUTHIER_CHECK(take(as_bytes(now)));
            }
            return Status();
          });
      QVERIFY(written.ok());
      QVERIFY(asked == (std::vector<std::size_t>{1, 2, 0}));
      QVERIFY(read_file(path).take() == read_file(whole).take());
    }
    const auto with = [&](const std::string& given) {
      return write_safetensors(path, outlines, [&](std::size_t index, const TakeBytes& take) {
        return take(as_bytes(index == 2 ? given : contents[index]));
      });
    };
    QVERIFY(with(one).ok());
    for (const std::size_t bytes : {15u, 17u}) {
      const Status refused = with(std::string(bytes, 'x'));
      QVERIFY(!refused.ok() && refused.error().exit_status() == 3);
      QVERIFY(refused.error().sentence().find("has " + std::to_string(bytes) + " bytes") !=
              std::string::npos);
    }
    const Status stopped = write_safetensors(
        path, outlines, [](std::size_t, const TakeBytes&) { return interrupted_error(); });
    QVERIFY(!stopped.ok() && stopped.error().code == ErrorCode::Interrupted);
  }

  void brokenWritesAreRefused() {
    const std::string bytes(8, 'x');
    const fs::path path = folder() / "never.safetensors";
    QVERIFY(!write_safetensors(path, {{"a", DType::F32, {3}, as_bytes(bytes)}}).ok());
    QVERIFY(!write_safetensors(path, {{"a", DType::F32, {2}, as_bytes(bytes)},
                                      {"a", DType::F32, {2}, as_bytes(bytes)}})
                 .ok());
    QVERIFY(!write_safetensors(path, {{"a\xff", DType::F32, {2}, as_bytes(bytes)}}).ok());
    QVERIFY(!write_safetensors(path, {{"__metadata__", DType::F32, {2}, as_bytes(bytes)}}).ok());
    QVERIFY(!fs::exists(path));
  }

  void legalHeaders() {
    const auto legal = [](const std::string& header, std::uint64_t data) {
      const auto parsed = parse_safetensors_header(header, data, "f");
      return parsed.ok() ? std::string() : parsed.error().sentence();
    };
    QCOMPARE(legal("{}", 0), std::string());
    QCOMPARE(legal("{}      ", 0), std::string());
    QCOMPARE(legal("{\"__metadata__\":{}}", 0), std::string());
    QCOMPARE(legal("{" + tensor_entry("s", "F64", "[]", "[0,8]") + "}", 8), std::string());
    QCOMPARE(legal("{" + tensor_entry("e", "F32", "[0]", "[0,0]") + "," +
                       tensor_entry("a", "F32", "[1]", "[0,4]") + "," +
                       tensor_entry("f", "F32", "[3,0,2]", "[4,4]") + "}",
                   4),
             std::string());
    // In any order; the fields too.
    QCOMPARE(legal("{" + tensor_entry("b", "U8", "[2]", "[1,3]") +
                       ",\"a\":{\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"I8\"}}",
                   3),
             std::string());
  }

  void hostileHeaders_data() {
    QTest::addColumn<QString>("header");
    QTest::addColumn<qulonglong>("data");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const std::string& header, qulonglong data,
                        const char* says) {
      QTest::newRow(name) << QString::fromStdString(header) << data << QString(says);
    };
    row("empty", "", 0, "begin with {");
    row("list", "[]", 0, "begin with {");
    row("leading space", " {}", 0, "begin with {");
    row("no JSON", "{nothing", 0, "not valid JSON");
    row("cut", R"({"a":{"dtype":"F32")", 4, "not valid JSON");
    row("two documents", "{}{}", 0, "not valid JSON");
    row("tail", "{}x", 0, "not valid JSON");
    row("hole at the start", "{" + tensor_entry("a", "U8", "[4]", "[4,8]") + "}", 8, "hole");
    row("hole",
        "{" + tensor_entry("a", "U8", "[4]", "[0,4]") + "," +
            tensor_entry("b", "U8", "[4]", "[5,9]") + "}",
        9, "hole");
    row("overlap",
        "{" + tensor_entry("a", "U8", "[4]", "[0,4]") + "," +
            tensor_entry("b", "U8", "[4]", "[3,7]") + "}",
        7, "overlap");
    row("same place",
        "{" + tensor_entry("a", "U8", "[4]", "[0,4]") + "," +
            tensor_entry("b", "U8", "[4]", "[0,4]") + "}",
        4, "overlap");
    row("backwards", "{" + tensor_entry("a", "U8", "[4]", "[4,0]") + "}", 4, "before they begin");
    row("beyond the end", "{" + tensor_entry("a", "U8", "[8]", "[0,8]") + "}", 4, "cut off");
    row("data left over", "{" + tensor_entry("a", "U8", "[4]", "[0,4]") + "}", 5, "goes on");
    row("data without tensors", "{}", 1, "goes on");
    row("wrong size", "{" + tensor_entry("a", "F32", "[4]", "[0,4]") + "}", 4, "ask for 16 bytes");
    row("product overflows",
        "{" + tensor_entry("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", 0, "more bytes");
    row("product overflows beside 0",
        "{" + tensor_entry("a", "U8", "[4294967296,4294967296,0]", "[0,0]") + "}", 0, "more bytes");
    row("product wraps to 0",
        "{" + tensor_entry("a", "F32", "[4611686018427387904]", "[0,0]") + "}", 0, "more bytes");
    row("huge dimension", "{" + tensor_entry("a", "U8", "[18446744073709551615]", "[0,0]") + "}", 0,
        "too large");
    row("huger dimension",
        "{" + tensor_entry("a", "U8", "[99999999999999999999999]", "[0,0]") + "}", 0, "too large");
    row("negative dimension", "{" + tensor_entry("a", "U8", "[-1]", "[0,0]") + "}", 0, "negative");
    row("fraction", "{" + tensor_entry("a", "U8", "[1.0]", "[0,1]") + "}", 1, "fraction");
    row("rank",
        "{" +
            tensor_entry(
                "a", "U8",
                "[1" +
                    [] {
                      std::string s;
                      for (int i = 0; i < 64; ++i) s += ",1";
                      return s;
                    }() +
                    "]",
                "[0,1]") +
            "}",
        1, "64 dimensions");
    row("dtype", "{" + tensor_entry("a", "F31", "[1]", "[0,1]") + "}", 1, "F31");
    row("dtype number", R"({"a":{"dtype":7,"shape":[],"data_offsets":[0,1]}})", 1, "number");
    row("no dtype", R"({"a":{"shape":[],"data_offsets":[0,1]}})", 1, "dtype is missing");
    row("no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "shape is missing");
    row("no offsets", R"({"a":{"dtype":"U8","shape":[]}})", 1, "data_offsets is missing");
    row("one offset", "{" + tensor_entry("a", "U8", "[1]", "[0]") + "}", 1, "two numbers");
    row("three offsets", "{" + tensor_entry("a", "U8", "[1]", "[0,1,1]") + "}", 1, "two numbers");
    row("unknown field", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"exec":"x"}})", 1,
        "exec");
    row("field twice", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"dtype":"U8"}})", 1,
        "stands twice");
    row("name twice",
        "{" + tensor_entry("a", "U8", "[1]", "[0,1]") + "," +
            tensor_entry("a", "U8", "[1]", "[1,2]") + "}",
        2, "stands twice");
    row("metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "stands twice");
    row("metadata key twice", R"({"__metadata__":{"a":"1","a":"2"}})", 0, "stands twice");
    row("metadata number", R"({"__metadata__":{"a":1}})", 0, "number");
    row("metadata list", R"({"__metadata__":[]})", 0, "list");
    row("metadata nested", R"({"__metadata__":{"a":{}}})", 0, "object");
    row("tensor null", R"({"a":null})", 0, "null");
    row("shape nested", R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "list");
    row("deep", "{\"a\":" + std::string(100000, '['), 0, "list");
  }

  void hostileHeaders() {
    QFETCH(QString, header);
    QFETCH(qulonglong, data);
    QFETCH(QString, says);
    const auto parsed =
        parse_safetensors_header(header.toStdString(), data, "model/evil.safetensors");
    QVERIFY(!parsed.ok());
    const std::string sentence = parsed.error().sentence();
    QVERIFY2(QString::fromStdString(sentence).contains(says), sentence.c_str());
    QVERIFY2(sentence.starts_with("model/evil.safetensors"), sentence.c_str());
    QCOMPARE(parsed.error().exit_status(), 2);
  }

  void invalidUtf8AndZeroBytes() {
    QVERIFY(!parse_safetensors_header(
                 "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "f")
                 .ok());
    QVERIFY(!parse_safetensors_header(std::string_view("{}\0\0", 4), 0, "f").ok());
    QVERIFY(!parse_safetensors_header("\xEF\xBB\xBF{}", 0, "f").ok());
  }

  void manyKeysTakeLittleTime() {
    const auto with_names = [](std::int64_t count) {
      std::string header = "{";
      for (std::int64_t i = 0; i < count; ++i) {
        header += (i ? "," : "") +
                  tensor_entry("t" + std::to_string(i * 7919 % count), "U8", "[0]", "[0,0]");
      }
      return header + "}";
    };
    const std::string few = with_names(4'000), many = with_names(256'000);
    const auto read = [](const std::string& header) {
      return [&] { return parse_safetensors_header(header, 0, "f").ok(); };
    };
    QVERIFY(read(many)());
    const double times = test::growth(read(few), read(many));
    QVERIFY2(times < test::kEven,
             qPrintable(QString("%1 times for 64 times the names").arg(times)));
  }

  void brokenFiles() {
    const auto refused = [this](const std::string& bytes, const char* says) {
      const fs::path path = folder() / "broken.safetensors";
      put(path, bytes);
      const auto file = SafetensorsFile::open(path);
      if (file.ok()) return false;
      return file.error().sentence().find(says) != std::string::npos &&
             file.error().sentence().find("broken.safetensors") != std::string::npos &&
             file.error().exit_status() == 2;
    };
    QVERIFY(refused("", "0 bytes"));
    QVERIFY(refused("1234567", "7 bytes"));
    QVERIFY(refused(std::string(8, '\0'), "begin with {"));
    QVERIFY(refused(std::string(8, '\xff'), "at most 100000000"));
    QVERIFY(
        refused(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), "at most 100000000"));  // one byte over
    QVERIFY(refused(std::string("\x10\0\0\0\0\0\0\0{}", 10), "cut off"));
    const std::string whole =
        file_with("{" + tensor_entry("a", "F32", "[2]", "[0,8]") + "}", std::string(8, 'x'));
    for (std::size_t cut = 0; cut < whole.size(); ++cut) QVERIFY(refused(whole.substr(0, cut), ""));
    QVERIFY(refused(whole + "y", "goes on"));

    QVERIFY(SafetensorsFile::open(folder()).error().sentence().find("folder") != std::string::npos);
    const auto absent = SafetensorsFile::open(folder() / "absent.safetensors");
    QVERIFY(!absent.ok() && absent.error().exit_status() == 2);
  }

  void a_file_cut_short_or_changed_while_open() {
    const fs::path path = folder() / "cut.safetensors";
    const std::string zeros(1 << 20, '\0');
    const std::int64_t count = static_cast<std::int64_t>(zeros.size()) / 4;
    const std::vector<TensorToWrite> tensors{{"a", DType::F32, {count}, as_bytes(zeros)},
                                             {"b", DType::F32, {count}, as_bytes(zeros)}};
    QVERIFY(write_safetensors(path, tensors).ok());
    const std::uint64_t whole = fs::file_size(path);
    const auto file = SafetensorsFile::open(path);
    QVERIFY(file.ok() && file->check_unchanged().ok());
    QVERIFY(file->find("a")->bytes().ok() && file->find("b")->bytes().ok());
    fs::resize_file(path,
                    whole / 2);  // a mapping would now end the whole process at the first touch
    const auto cut = file->find("b")->bytes();
    QVERIFY(!cut.ok());
    QVERIFY2(cut.error().sentence().find("changed while being read") != std::string::npos,
             cut.error().sentence().c_str());
    QVERIFY(cut.error().sentence().find(std::to_string(whole / 2)) != std::string::npos);
    QVERIFY(cut.error().where == path.string() && cut.error().exit_status() == 2);
    QVERIFY(!file->check_unchanged().ok());
    fs::resize_file(path, whole);  // as long as before, and yet not the same
    QVERIFY(file->find("b")->bytes().ok());
    const auto changed = file->check_unchanged();
    QVERIFY(!changed.ok() && changed.error().what == "The file was changed while being read.");
    // A new file in its name is another one: what is open stays whole.
    QVERIFY(write_safetensors(path, tensors).ok());
    const auto kept = SafetensorsFile::open(path);
    fs::remove(path);
    put(path, "something else");
    QVERIFY(kept->find("b")->bytes().ok() && kept->check_unchanged().ok());
  }

  void same_tensors() {
    const fs::path path = folder() / "same.safetensors";
    std::string one(3 << 20, 'a'), two = one;
    two.back() = 'b';
    const auto length = static_cast<std::int64_t>(one.size());
    QVERIFY(write_safetensors(path, {{"one", DType::U8, {length}, as_bytes(one)},
                                     {"again", DType::U8, {length}, as_bytes(one)},
                                     {"two", DType::U8, {length}, as_bytes(two)},
                                     {"typed", DType::I8, {length}, as_bytes(one)},
                                     {"shaped", DType::U8, {1, length}, as_bytes(one)}})
                .ok());
    const auto file = SafetensorsFile::open(path);
    const auto same = [&](const char* name) {
      return same_tensor(*file->find("one"), *file->find(name)).value();
    };
    QVERIFY(same("again") && !same("two") && !same("typed") && !same("shaped"));
  }

  void a_pointer_in_the_place_of_a_file() {
    put(folder() / "pointer.safetensors",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') +
            "\nsize 123\n");
    const auto file = SafetensorsFile::open(folder() / "pointer.safetensors");
    QVERIFY(!file.ok() && file.error().sentence().find("Git LFS pointer") != std::string::npos);
  }

  void shards() {
    const fs::path model = folder() / "sharded";
    fs::create_directories(model);
    const std::string four(4, 'x');
    QVERIFY(
        write_safetensors(model / "s1.safetensors", {{"a", DType::F32, {1}, as_bytes(four)}}).ok());
    QVERIFY(
        write_safetensors(model / "s2.safetensors", {{"b", DType::F32, {1}, as_bytes(four)}}).ok());
    const auto with_index = [&](const std::string& index) {
      put(model / "model.safetensors.index.json", index);
      return CheckpointFiles::open(model);
    };
    const auto good = with_index(
        R"({"metadata":{"total_size":8},"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
    QVERIFY(good.ok());
    QCOMPARE(good->tensors().size(), std::size_t(2));
    QCOMPARE(good->total_bytes(), std::uint64_t(8));
    QVERIFY(good->find("b") && !good->find("c"));

    const auto says = [&](const std::string& index, const char* what) {
      const auto opened = with_index(index);
      return !opened.ok() && opened.error().sentence().find(what) != std::string::npos &&
             opened.error().exit_status() == 2;
    };
    QVERIFY(
        says(R"({"weight_map":{"a":"s1.safetensors","b":"s3.safetensors"}})", "s3.safetensors"));
    QVERIFY(
        says(R"({"weight_map":{"a":"s1.safetensors","c":"s2.safetensors"}})", "does not hold it"));
    QVERIFY(says(R"({"weight_map":{"a":"../s1.safetensors"}})", "leaves the folder"));
    QVERIFY(says(R"({"weight_map":{"a":"/etc/passwd"}})", "absolute"));
    QVERIFY(says(R"({"weight_map":{"a":"pytorch_model.bin"}})", "nothing else is opened"));
    QVERIFY(says(R"({"weight_map":{"a":7}})", "must be a text"));
    QVERIFY(says(R"({"weight_map":{"a":"s1.safetensors","a":"s2.safetensors"}})", "twice"));
    QVERIFY(says(R"({"weight_map":{}})", "empty"));
    QVERIFY(says(R"([])", "no weight_map"));
    QVERIFY(says(R"({"weight_map")", "too early"));
    fs::create_symlink("/etc/passwd", model / "link.safetensors");
    QVERIFY(says(R"({"weight_map":{"a":"link.safetensors"}})", "leads out of the folder"));
  }

  void folderWithoutWeights() {
    const fs::path model = folder() / "pickled";
    fs::create_directories(model);
    QVERIFY(CheckpointFiles::open(model).error().sentence().find("no weights") !=
            std::string::npos);
    fs::create_symlink(model / "gone", model / "model.safetensors");
    QVERIFY(CheckpointFiles::open(model).error().sentence().find("is a link") != std::string::npos);
    fs::remove(model / "model.safetensors");
    put(model / "model.onnx", "x");
    QVERIFY(CheckpointFiles::open(model).error().sentence().find("model.onnx") !=
            std::string::npos);
    put(model / "q4.gguf", "x");
    QVERIFY(CheckpointFiles::open(model).error().sentence().find("GGUF") != std::string::npos);
    put(model / "pytorch_model.bin", "x");
    QVERIFY(CheckpointFiles::open(model).error().sentence().find("pickle") != std::string::npos);
    QVERIFY(CheckpointFiles::open(model / "pytorch_model.bin").error().sentence().find("pickle") !=
            std::string::npos);
    QVERIFY(!CheckpointFiles::open(folder() / "absent").ok());
  }

 private:
  fs::path folder() { return fs::path(temporary_.path().toStdString()); }
  QTemporaryDir temporary_;
};

QTEST_APPLESS_MAIN(TestSafetensors)
#include "test_safetensors.moc"
