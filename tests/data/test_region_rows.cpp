// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a text and regions of a picture: how a file's numbers lie, which types are read, what is
// refused by which row, file and tensor, and what becomes of matches and answers.
#include "engine/data/region_rows.h"

#include <QTemporaryDir>
#include <cmath>
#include <limits>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Letters, with BERT's way of one text and of two.
constexpr const char* kRegionTokenizer = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [
    {"id": 2, "content": "[CLS]", "special": true, "single_word": false, "lstrip": false,
     "rstrip": false, "normalized": false},
    {"id": 3, "content": "[SEP]", "special": true, "single_word": false, "lstrip": false,
     "rstrip": false, "normalized": false}],
  "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
               {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
             {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
             {"Sequence": {"id": "B", "type_id": 1}},
             {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                       "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
  "decoder": null,
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "c": 6}}})";

/// A tensor to be.
struct Numbers {
  DType type = DType::F32;
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};
using File = std::map<std::string, Numbers>;

template <class Stored>
std::vector<std::byte> bytes_as(const std::vector<double>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto stored = static_cast<Stored>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &stored, sizeof(Stored));
  }
  return bytes;
}

File two_regions() {
  return {{"features", {DType::F32, {2, 3}, {1, -2, 3, 4, 5, -6}}},
          {"boxes", {DType::F32, {2, 4}, {0, 0.25, 0.5, 1, 0.125, 0, 1, 0.75}}},
          {"objects", {DType::I64, {2}, {1, 3}}},
          {"object_confidences", {DType::F32, {2}, {0.5, 1}}},
          {"attributes", {DType::F32, {2}, {2, 0}}}};
}

RegionNeeds needs_all() {
  RegionNeeds needs;
  needs.width = 3, needs.boxes = true, needs.objects = 4, needs.attributes = 3, needs.answers = 5;
  return needs;
}

}  // namespace

class TestRegionRows : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    folder_ = scratch_.path().toStdString();
    QVERIFY(write_file_atomically(folder_ / "tokenizer.json", kRegionTokenizer));
    load(needs_all());
  }

  void numbers_lie_behind_one_another() {
    const auto row = encoded({{"text", "a b"}, {"regions", written(two_regions())}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    const PixelValues& regions = row->sequences.front().images.at(0);
    QCOMPARE(regions.shape, (std::vector<std::int64_t>{2, 3 + kRegionNumbers}));
    QCOMPARE(regions.grid, (std::vector<std::int64_t>{2, 0}));
    QCOMPARE(regions.values,
             (std::vector<float>{1, -2, 3,  0,      0.25f, 0.5f, 1,     1, 0.5f, 2, 1,  //
                                 4, 5,  -6, 0.125f, 0,     1,    0.75f, 3, 1,    0, 1}));
    QCOMPARE(row->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 5, 3}));
    QVERIFY(!row->numbers.contains(kMatch) && !row->numbers.contains(kAnswer));
  }

  void narrow_and_wide_numbers_are_read() {
    // 1.5, -2, 2^-24, 65504 as float16 and 1.5, -2, 0.0078125, 3e38 as bfloat16.
    const std::vector<std::pair<DType, std::vector<double>>> given{
        {DType::F16, {0x3e00, 0xc000, 0x0001}}, {DType::BF16, {0x3fc0, 0xc000, 0x3c00}}};
    for (const auto& [type, bits] : given) {
      const auto row =
          encoded({{"text", "a"},
                   {"regions", written({{"features", {type, {1, 3}, bits}},
                                        {"boxes", {DType::F64, {1, 4}, {0, 0, 1, 1}}}})}});
      QVERIFY2(row, row ? "" : row.error().sentence().c_str());
      const std::vector<float>& values = row->sequences.front().images.at(0).values;
      QCOMPARE(values[0], 1.5f);
      QCOMPARE(values[1], -2.0f);
      QCOMPARE(values[2], type == DType::F16 ? std::ldexp(1.0f, -24) : 0.0078125f);
      QCOMPARE(values[5], 1.0f);
      QCOMPARE(values[8], 0.0f);  // of no object nobody is sure
    }
  }

  void who_measures_reads_no_numbers() {
    RowEncoding how;
    how.outline = true;
    const auto row = encoded({{"text", "a b"}, {"regions", written(two_regions())}}, how);
    QVERIFY(row);
    QVERIFY(row->sequences.front().images.at(0).values.empty());
    QCOMPARE(row->sequences.front().images.at(0).shape,
             (std::vector<std::int64_t>{2, 3 + kRegionNumbers}));
  }

  void who_checks_reads_all_of_them() {
    RowEncoding how;
    how.outline = true;
    how.size_of = [](const std::filesystem::path&) -> Result<ImageSize> { return ImageSize{}; };
    File file = two_regions();
    const auto row = encoded({{"text", "a b"}, {"regions", written(file)}}, how);
    QVERIFY(row && row->sequences.front().images.at(0).values.empty());
    file["boxes"].values[0] = 2;
    RowFault fault = RowFault::Template;
    QVERIFY(!encoded({{"text", "a b"}, {"regions", written(file)}}, how, &fault));
    QVERIFY(fault == RowFault::BrokenImage);
  }

  void words_that_regions_are_aligned_to_stand_in_the_grid() {
    File file = two_regions();
    file["alignment"] = {DType::I64, {2, 2}, {1, 3, 2, -1}};
    const auto row = encoded({{"text", "a b"}, {"regions", written(file)}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->sequences.front().images.at(0).grid,
             (std::vector<std::int64_t>{2, 2, 1, 3, 2, -1}));
    file["alignment"].values[1] = 4;  // the row has four tokens
    verify_refused({{"text", "a b"}, {"regions", written(file)}}, "alignment");
  }

  void of_two_texts_the_first_is_known() {
    const auto row =
        encoded({{"text", "a b"}, {"text_pair", "c"}, {"regions", written(two_regions())}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->numbers.at(kFirstWords), 2.0);
    QCOMPARE(row->sequences.front().input_ids, (std::vector<TokenId>{2, 4, 5, 3, 6, 3}));
  }

  void matches_and_answers_are_numbers() {
    const std::string file = written(two_regions());
    const auto row = encoded({{"text", "a"}, {"regions", file}, {"match", false}, {"answer", 4}});
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->numbers.at(kMatch), 0.0);
    QCOMPARE(row->numbers.at(kAnswer), 4.0);
    QVERIFY(row->targets.empty());
    QCOMPARE(encoded({{"text", "a"}, {"regions", file}, {"match", 1}})->numbers.at(kMatch), 1.0);
    verify_refused({{"text", "a"}, {"regions", file}, {"match", "yes"}}, "match");
    verify_refused({{"text", "a"}, {"regions", file}, {"answer", 5}}, "answer");
    verify_refused({{"text", "a"}, {"regions", file}, {"answer", "red"}}, "answer");
  }

  void under_a_head_answers_are_targets() {
    RowLabels labels;
    labels.classes = ClassOptions{ClassOptions::Of::Row, ClassOptions::Says::One, {"no", "yes"}};
    load(needs_all(), labels);
    const std::string file = written(two_regions());
    const auto of = [&](const Json& answer) {
      return encoded({{"text", "a"}, {"regions", file}, {"answer", answer}});
    };
    QCOMPARE(of("yes")->targets, (std::vector<double>{1}));
    QCOMPARE(of(0)->targets, (std::vector<double>{0}));
    QCOMPARE(of({{"yes", 0.9}})->targets, (std::vector<double>{0, 0.9}));
    QCOMPARE(of("yes")->sequences.front().labels.front(), std::int64_t(0));
    QCOMPARE(of("yes")->labels(), std::int64_t(0));  // no token's label is left
    verify_refused({{"text", "a"}, {"regions", file}, {"answer", "red"}}, "answer");
    verify_refused({{"text", "a"}, {"regions", file}, {"answer", {{"yes", 2}}}}, "answer.yes");
    verify_refused({{"text", "a"}, {"regions", file}, {"answer", Json::object()}}, "answer");
    // Classes' rows find their way here, and none without regions does.
    const auto read = class_rows().read({{"text", "a"}, {"regions", file}, {"label", "no"}},
                                        folder_, "rows: row 1", nullptr);
    QVERIFY(read);
    const auto row = class_rows().encode(*read, *processor_, {}, "rows: row 1");
    QVERIFY2(row, row ? "" : row.error().sentence().c_str());
    QCOMPARE(row->targets, (std::vector<double>{0}));
    const auto bare = class_rows().read({{"text", "a"}, {"label", "no"}}, folder_, "r", nullptr);
    QVERIFY(bare && !class_rows().encode(*bare, *processor_, {}, "r"));
    load(needs_all());
  }

  void what_a_file_lacks_is_named_data() {
    QTest::addColumn<QString>("tensor");
    QTest::addColumn<int>("which");
    for (const auto& [which, tensor] : faults())
      QTest::addRow("%d %s", which, tensor) << QString(tensor) << which;
  }
  void what_a_file_lacks_is_named() {
    QFETCH(QString, tensor);
    QFETCH(int, which);
    File file = two_regions();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    switch (which) {
      case 0: file.erase("features"); break;
      case 1: file.erase("boxes"); break;
      case 2: file["features"] = {DType::F32, {2, 2}, {1, 2, 3, 4}}; break;
      case 3: file["features"].values[1] = nan; break;
      case 4: file["features"] = {DType::F32, {6}, {1, 2, 3, 4, 5, 6}}; break;
      case 5: file["features"].type = DType::I64; break;
      case 6: file["boxes"].values[2] = 1.5; break;
      case 7: file["boxes"].values[2] = -0.5; break;
      case 8: file["boxes"].values[4] = 1, file["boxes"].values[6] = 0.5; break;
      case 9: file["boxes"].values[0] = nan; break;
      case 10: file["boxes"] = {DType::F32, {1, 4}, {0, 0, 1, 1}}; break;
      case 11: file["objects"].values[0] = 4; break;
      case 12: file["objects"].values[0] = -1; break;
      case 13: file["attributes"].values[0] = 0.5; break;
      case 14: file["object_confidences"].values[0] = 1.5; break;
      case 15: file.erase("objects"); break;
      case 16:
        file["features"] = {DType::F32, {kMostRegions + 1, 3}, {}};
        file["features"].values.resize(static_cast<std::size_t>(3 * (kMostRegions + 1)), 1.0);
        break;
      case 17: file["features"] = {DType::F32, {0, 3}, {}}; break;
      default: file["alignment"] = {DType::F32, {2, 1}, {1, 1}}; break;
    }
    verify_refused({{"text", "a b"}, {"regions", written(file)}},
                   "rows: row 1: regions: " + (folder_ / "regions.safetensors").string() + ": " +
                       tensor.toStdString());
  }

  void what_a_row_lacks_is_named() {
    const std::string file = written(two_regions());
    verify_refused({{"regions", file}}, "text");
    verify_refused({{"text", 5}, {"regions", file}}, "text");
    verify_refused({{"text", "a"}, {"text_pair", 5}, {"regions", file}}, "text_pair");
    verify_refused({{"text", "a"}}, "regions");
    verify_refused({{"text", "a"}, {"regions", Json::array({file})}}, "regions");
    verify_refused({{"text", "a"}, {"regions", ""}}, "regions");
    verify_refused({{"text", "a"}, {"regions", "none.safetensors"}}, "none.safetensors",
                   RowFault::MissingImage);
    QVERIFY(write_file_atomically(folder_ / "text.safetensors", "no tensors"));
    verify_refused({{"text", "a"}, {"regions", "text.safetensors"}}, "text.safetensors",
                   RowFault::BrokenImage);
  }

  void rows_are_known_by_their_regions() {
    QVERIFY(region_rows().recognises({{"text", "a"}, {"regions", "b.safetensors"}}));
    QVERIFY(!region_rows().recognises({{"text", "a"}}));
    const auto any =
        any_rows().read({{"text", "a"}, {"regions", "b.safetensors"}}, folder_, "r", nullptr);
    QVERIFY(any);
    QCOMPARE(any->kind, std::string("regions"));
  }

  void a_model_of_texts_takes_none() {
    auto plain = ChatProcessor::load(folder_, std::nullopt);
    QVERIFY(plain);
    const auto read = region_rows().read({{"text", "a"}, {"regions", written(two_regions())}},
                                         folder_, "r", nullptr);
    QVERIFY(read && !region_rows().encode(*read, **plain, {}, "r"));
  }

 private:
  static std::vector<std::pair<int, const char*>> faults() {
    return {{0, "features"},
            {1, "boxes"},
            {2, "features"},
            {3, "features"},
            {4, "features"},
            {5, "features"},
            {6, "boxes"},
            {7, "boxes"},
            {8, "boxes"},
            {9, "boxes"},
            {10, "boxes"},
            {11, "objects"},
            {12, "objects"},
            {13, "attributes"},
            {14, "object_confidences"},
            {15, "object_confidences"},
            {16, "features"},
            {17, "features"},
            {18, "alignment"}};
  }

  void load(const RegionNeeds& needs, const RowLabels& labels = {}) {
    ChatProcessor::Pictures pictures;
    pictures.tokens.mark.clear();
    pictures.defaults = region_defaults(needs);
    auto loaded = ChatProcessor::load(folder_, pictures, {}, 64, RowForm::ChatTemplate, labels);
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    processor_ = loaded.take();
  }

  /// The name of a file of these.
  std::string written(const File& file) {
    std::vector<std::vector<std::byte>> bytes;
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, numbers] : file)
      bytes.push_back(numbers.type == DType::I64   ? bytes_as<std::int64_t>(numbers.values)
                      : numbers.type == DType::F64 ? bytes_as<double>(numbers.values)
                      : numbers.type == DType::F32 ? bytes_as<float>(numbers.values)
                                                   : bytes_as<std::uint16_t>(numbers.values));
    std::size_t at = 0;
    for (const auto& [name, numbers] : file)
      tensors.push_back({name, numbers.type, numbers.shape, bytes[at++]});
    const Status done = write_safetensors(folder_ / "regions.safetensors", tensors);
    if (!done) qFatal("%s", done.error().sentence().c_str());
    return "regions.safetensors";
  }

  Result<EncodedRow> encoded(const Json& row, const RowEncoding& how = {},
                             RowFault* fault = nullptr) const {
    LUTHIER_TRY(const Conversation read, region_rows().read(row, folder_, "rows: row 1", fault));
    return region_rows().encode(read, *processor_, how, "rows: row 1", fault);
  }
  void verify_refused(const Json& row, const std::string& where,
                      std::optional<RowFault> kind = {}) const {
    RowFault fault = RowFault::Template;
    const auto made = encoded(row, {}, &fault);
    QVERIFY2(!made, row.dump().c_str());
    QVERIFY2(made.error().where.starts_with("rows: row 1: ") &&
                 made.error().where.find(where) != std::string::npos,
             made.error().sentence().c_str());
    if (kind) QVERIFY(fault == *kind);
    QVERIFY(fault != RowFault::Template);
  }

  QTemporaryDir scratch_;
  std::filesystem::path folder_;
  std::shared_ptr<const ChatProcessor> processor_;
};

QTEST_APPLESS_MAIN(TestRegionRows)
#include "test_region_rows.moc"
