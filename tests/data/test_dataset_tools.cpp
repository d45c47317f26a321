// SPDX-License-Identifier: GPL-3.0-or-later
// Looking at rows and writing better ones: searched, counted, compared, put right, parted, copied.
#include "tests/data/chat_fixture.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <set>

#include "engine/base/random_stream.h"
#include "engine/data/columns.h"
#include "engine/data/row_writing.h"
#include "engine/data/tools/dataset_copy.h"
#include "engine/data/tools/dataset_statistics.h"
#include "engine/data/tools/near_duplicates.h"
#include "engine/data/tools/row_choice.h"
#include "engine/data/tools/row_fixes.h"
#include "engine/data/tools/row_search.h"
#include "engine/data/tools/row_texts.h"
#include "engine/io/files.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

fs::path unsynced_folder;  ///< whose fsync fails

}  // namespace

extern "C" int fsync(int file) {
  std::error_code ignored;
  if (!unsynced_folder.empty() &&
      fs::read_symlink("/proc/self/fd/" + std::to_string(file), ignored) == unsynced_folder) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fsync, file));
}

namespace {

class Room {
 public:
  fs::path path() const { return temporary_.path().toStdString(); }
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << text;
    return path() / name;
  }

 private:
  QTemporaryDir temporary_;
};

std::string line_of(const Json& row) { return row.dump() + "\n"; }

std::shared_ptr<const Dataset> opened(const fs::path& file) {
  const auto dataset = Dataset::open({file});
  if (!dataset) qFatal("%s", dataset.error().sentence().c_str());
  return *dataset;
}

RowList rows_of(std::size_t count) {
  RowList rows(count);
  for (std::size_t i = 0; i < count; ++i) rows[i] = i;
  return rows;
}

/// A picture whose light lies as `turn` says.
Image waves(int width, int height, double turn) {
  Image image;
  image.width = width;
  image.height = height;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double at = 6.0 * x / width, up = 6.0 * y / height;
      const auto grey =
          static_cast<std::uint8_t>(127 + 60 * std::sin(at * std::cos(turn) + up * std::sin(turn)) +
                                    50 * std::cos(up * turn));
      for (int c = 0; c < 3; ++c) image.rgb.push_back(grey);
    }
  return image;
}

}  // namespace

class TestDatasetTools : public QObject {
  Q_OBJECT

 private slots:
  void rows_are_found() {
    const Room room;
    const auto dataset = opened(room.write(
        "t.jsonl",
        line_of({{"prompt", "What is RED?"}, {"completion", "a circle"}, {"score", 0.25}}) +
            line_of({{"prompt", "빨간 원은?"}, {"completion", "왼쪽"}, {"score", 2}}) +
            "not json\n" +
            line_of({{"prompt", "blue"},
                     {"completion", ""},
                     {"image", "data:image/png;base64,cmVkcmVkcmVk"}}) +
            line_of({{"prompt", std::string(2'000, 'w') + " unmarked"}, {"completion", "long"}})));
    const auto found = [&](const RowQuery& query) { return *find_rows(*dataset, query); };
    QCOMPARE(found({"red", {}}), (RowList{0}));
    QCOMPARE(found({"빨간", {}}), (RowList{1}));
    QCOMPARE(found({"cmVk", {}}), RowList{});         // bytes of a picture are no text
    QCOMPARE(found({"unmarked", {}}), (RowList{4}));  // and a long text is none of a picture
    const auto where = [&](const char* condition) {
      return found({"", {*row_condition(condition)}});
    };
    QCOMPARE(where("score>0.5"), (RowList{1}));
    QCOMPARE(where("score<0.5"), (RowList{0}));
    QCOMPARE(where("completion="), (RowList{3}));
    QCOMPARE(where("completion!="), (RowList{0, 1, 4}));
    QCOMPARE(where("prompt~BLUE"), (RowList{3}));
    QCOMPARE(where("prompt!~blue"), (RowList{0, 1, 4}));
    QCOMPARE(where("prompt=blue"), (RowList{3}));
    QVERIFY(!row_condition("nothing").ok() && !row_condition("=x").ok() &&
            !row_condition("a>b").ok());
    const auto stopped =
        find_rows(*dataset, {"red", {}}, [](std::size_t, std::size_t) { return false; });
    QVERIFY(!stopped && stopped.error().code == ErrorCode::Interrupted);
  }

  // Rows are passed over by their bytes, which may write a text in many ways.
  void a_text_is_found_however_it_is_written() {
    const Room room;
    const auto dataset = opened(
        room.write("t.jsonl",
                   "{\"prompt\": \"\\ube68\\uac04 \\u0041PPLE\\n\\ud83c\\udf4e \\\"\\/\", "
                   "\"completion\": \"tab\\tor \\\\u\"}\n"
                   "{\"prompt\": \"plain\", \"score\": 1.50, \"many\": 3e5, \"right\": true, "
                   "\"none\": null}\n"));
    const auto found = [&](const char* text) { return *find_rows(*dataset, {text, {}}); };
    for (const char* there : {"빨간", "apple\n🍎", "Apple", "tab\tOR", "\\U", "🍎 \"/"})
      QVERIFY2(found(there) == (RowList{0}), there);
    for (const char* there : {"PLAIN", "1.5", "300000", "TRUE", "ru", "3"})
      QVERIFY2(found(there) == (RowList{1}), there);
    for (const char* absent : {"ube68", "\\n", "1.50", "3e5x", "null", "pear", "prompt"})
      QVERIFY2(found(absent).empty(), absent);
    // With columns that are put together, the file alone does not say what a row holds.
    const auto mapped =
        Dataset::open({room.path() / "t.jsonl"}, {},
                      *column_map({"completion=completion"}, "About {prompt}?", ""));
    QVERIFY(mapped.ok());
    QCOMPARE(*find_rows(**mapped, {"about plain?", {}}), (RowList{1}));
  }

  // Whichever thread it is that throws, it is said and nobody is ended.
  void what_a_thread_throws_is_an_error() {
    for (const std::size_t bad : {0u, 300u, 5000u}) {
      const Status gone = for_rows(5001, {}, [&](std::size_t first, std::size_t last, std::size_t) {
        if (first <= bad && bad < last) throw std::runtime_error("a name is too long");
      });
      QVERIFY(!gone && gone.error().code == ErrorCode::Machine &&
              gone.error().what == "The rows could not be gone through: a name is too long.");
    }
    QVERIFY(for_rows(5001, {}, [](std::size_t, std::size_t, std::size_t) {}).ok());
  }

  void rows_are_counted() {
    const Room room;
    fs::copy_file(data_room() / "a.png", room.path() / "a.png");
    std::string text;
    for (int i = 0; i < 10; ++i)
      text += line_of({{"image", "a.png"},
                       {"prompt", "What?"},
                       {"completion", i < 7 ? "one two three" : "other"}});
    const auto dataset = opened(room.write("t.jsonl", text + "{}\n"));
    const auto processor = load_chat(data_room() / "llava");
    QVERIFY(processor.ok());
    StatisticsRequest request;
    request.processor = processor->get();
    const auto made = dataset_statistics(*dataset, request);
    QVERIFY(made.ok());
    QVERIFY(made->rows == 11 && made->unreadable == 1 && made->pictures == 10 &&
            made->with_pictures == 10 && made->distinct_answers == 2);
    QVERIFY(made->answers.front() == std::pair(std::string("one two three"), std::size_t(7)));
    const auto size = read_image_size(data_room() / "a.png");
    QCOMPARE(made->widths.maximum, static_cast<double>(size->width));
    QCOMPARE(made->answer_words.median, 3.0);
    QCOMPARE(made->tokens.values, std::size_t(10));
    // The same number that training would take.
    const auto row = read_row(*dataset, 0, answer_rows());
    const auto encoded = answer_rows().encode(*row, **processor, {}, "row 1");
    QCOMPARE(made->tokens.maximum, static_cast<double>(encoded->tokens()));
  }

  // Answers that begin with the same long words are as many as they are.
  void long_answers_are_told_apart() {
    const Room room;
    const std::string begin(300, 'x');
    std::string text;
    for (int i = 0; i < 6; ++i)
      text += line_of({{"prompt", "a"}, {"completion", begin + (i < 4 ? " yes" : " no")}});
    const auto dataset = opened(room.write("t.jsonl", text));
    const auto made = dataset_statistics(*dataset, {});
    QVERIFY(made.ok() && made->distinct_answers == 2 && made->answers.size() == 2);
    QVERIFY(made->answers[0].second == 4 && made->answers[1].second == 2 &&
            made->answers[0].first.size() <= 210 && made->answers[0].first.starts_with("xxx"));
  }

  void histograms() {
    const auto spread = [](const std::vector<double>& values, std::size_t bins) {
      CountedValues counted;
      for (const double value : values) ++counted[value];
      return histogram_of(counted, bins);
    };
    const Histogram whole = spread({1, 2, 2, 3, 100}, 10);
    std::size_t sum = 0;
    for (const std::size_t count : whole.counts) sum += count;
    QVERIFY(sum == 5 && whole.counts.front() == 4 && whole.edges.size() == whole.counts.size() + 1);
    QVERIFY(whole.edges.back() > 100 && whole.median == 2 && whole.mean == 21.6);
    QVERIFY(whole.minimum == 1 && whole.maximum == 100 && whole.high == 100);
    QVERIFY(spread({4, 1, 3, 2}, 4).median == 2.5 && spread({5, 5, 5, 9}, 4).median == 5);
    const Histogram one = spread({0.5, 0.5}, 24);
    QVERIFY(one.counts.size() == 1 && one.counts[0] == 2 && one.high == 0.5);
    QVERIFY(spread({}, 24).counts.empty());
    QCOMPARE(spread({1, std::nan(""), 2}, 24).values, std::size_t(2));
  }

  void near_duplicates_of_texts_and_pictures() {
    const Room room;
    const auto picture = [&](const char* name, int width, int height, double turn) {
      const auto bytes = encode_png(waves(width, height, turn));
      std::ofstream out(room.path() / name, std::ios::binary);
      out.write(reinterpret_cast<const char*>(bytes->data()),
                static_cast<std::streamsize>(bytes->size()));
    };
    picture("a.png", 120, 90, 0.3);
    picture("a-small.png", 64, 48, 0.3);
    picture("b.png", 120, 90, 1.4);
    const std::string text =
        "The picture shows a red circle above a blue square, and a small green triangle beside it.";
    const auto row = [](const char* image, const std::string& answer) {
      return line_of({{"image", image}, {"prompt", "Describe it."}, {"completion", answer}});
    };
    const auto dataset = opened(
        room.write("t.jsonl", row("a.png", text) + row("b.png", text) +
                                  row("a-small.png", text + " ") +  // like the first
                                  row("a.png", "Something else altogether, in other words.") +
                                  row("a.png",
                                      "The  Picture shows a red circle above a blue square, and a "
                                      "small green triangle beside them.")));
    using By = NearDuplicateRules::By;
    const auto alike = [&](By by) {
      std::vector<std::pair<std::size_t, std::size_t>> pairs;
      const auto found = near_duplicates(*dataset, any_rows(), {by, 0.8, 6});
      for (const NearDuplicate& each : *found) pairs.emplace_back(each.row, each.of);
      return pairs;
    };
    using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;
    QCOMPARE(alike(By::Both), (Pairs{{2, 0}, {4, 0}}));
    QCOMPARE(alike(By::Text), (Pairs{{1, 0}, {2, 0}, {4, 0}}));
    QCOMPARE(alike(By::Picture), (Pairs{{2, 0}, {3, 0}, {4, 0}}));
    const auto found = near_duplicates(*dataset, any_rows(), {});
    const auto findings = near_duplicate_findings(*dataset, *found);
    QVERIFY(findings[0].usable && findings[0].kind == "near_duplicate" &&
            findings[0].message.find("row 1") != std::string::npos);
  }

  // Of as many pictures as a dataset has, each that comes again is found: the same, and in as many
  // other bits as are asked for; the tables that they meet in leave none out.
  void every_picture_that_comes_again_is_found() {
    constexpr std::size_t kPictures = 60'000;
    std::vector<RowPrint> prints(2 * kPictures);
    const auto bits = [](std::uint64_t of) { return mixed_bits(of * kGoldenStep); };
    for (std::size_t i = 0; i < prints.size(); ++i) {
      prints[i].has_picture = prints[i].readable = true;
      prints[i].picture = bits(i % kPictures + 1);
      if (i >= kPictures)  // at most six other bits, wherever they lie
        for (std::size_t k = 0; k < i % 7; ++k)
          prints[i].picture ^= std::uint64_t{1} << (bits(7 * i + k) >> 58);
    }
    NearDuplicateRules rules;
    rules.by = NearDuplicateRules::By::Picture;
    const auto found = near_prints(prints, rules);
    QVERIFY(found.ok());
    QCOMPARE(found->size(), kPictures);
    for (std::size_t i = 0; i < kPictures; ++i)
      QVERIFY((*found)[i].row == kPictures + i && (*found)[i].of == i && (*found)[i].bits <= 6);
    rules.bits = 3;
    std::size_t close = 0;
    for (std::size_t i = 0; i < kPictures; ++i)
      close += std::popcount(prints[i].picture ^ prints[kPictures + i].picture) <= 3;
    QCOMPARE(near_prints(prints, rules)->size(), close);
    // Texts that all rows have lead nowhere: pictures are looked for first.
    const std::vector<std::uint32_t> text = min_hashes("What is shown in this picture?");
    for (RowPrint& print : prints) print.text = text;
    const auto both = near_prints(prints, {});
    QVERIFY(both.ok() && both->size() == kPictures && both->back().of == kPictures - 1 &&
            both->back().similarity == 1);
    // Of rows of one picture those are found whose texts are the same, however many begin alike.
    std::vector<RowPrint> questions(3000);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      questions[i].readable = true;
      questions[i].text = text;
      for (std::size_t at = 16; at < kMinHashes; ++at)
        questions[i].text[at] = static_cast<std::uint32_t>(bits(i % 1500 * 64 + at));
    }
    for (const bool pictures : {true, false}) {
      for (RowPrint& print : questions) print.has_picture = pictures;
      const auto again = near_prints(questions, {});
      QVERIFY(again.ok() && again->size() == 1500 && again->front().row == 1500 &&
              again->front().of == 0 && again->back().of == 1499);
    }
    const auto stopped = near_prints(prints, rules, [](std::size_t, std::size_t) { return false; });
    QVERIFY(!stopped && stopped.error().code == ErrorCode::Interrupted);
  }

  // What MinHash estimates is Jaccard's index of the pieces: within what 64 draws may miss by.
  void min_hashes_estimate_the_shared_share() {
    const auto pieces = [](const std::string& text) {
      std::set<std::string> all;
      for (std::size_t i = 0; i + 5 <= text.size(); ++i) all.insert(text.substr(i, 5));
      return all;
    };
    std::string a;
    for (int i = 0; i < 400; ++i) a += static_cast<char>('a' + i * i * 7 % 26);
    for (const std::size_t kept : {400u, 300u, 200u, 100u}) {
      std::string b = a.substr(0, kept);
      for (std::size_t i = kept; i < 400; ++i) b += static_cast<char>('a' + i * 11 % 23);
      const auto left = pieces(a), right = pieces(b);
      std::size_t both = 0;
      for (const std::string& each : left) both += right.count(each);
      const double exact =
          static_cast<double>(both) / static_cast<double>(left.size() + right.size() - both);
      const double said = similarity_of(min_hashes(a), min_hashes(b));
      const double deviation = std::sqrt(exact * (1 - exact) / kMinHashes);
      QVERIFY2(std::abs(said - exact) <= 4 * deviation + 1e-9,
               qPrintable(QString("%1 for %2").arg(said).arg(exact)));
    }
    QVERIFY(min_hashes(" \n ").empty() && similarity_of({}, {}) == 0);
    QCOMPARE(min_hashes("Red  Circle"), min_hashes("red circle\n"));
  }

  void splits_are_stratified_and_seeded() {
    std::vector<std::string> strata;
    for (std::size_t i = 0; i < 100; ++i) strata.push_back(i < 80 ? "a" : i < 95 ? "b" : "c");
    const RowSplit split = split_rows(rows_of(100), 0.2, 7, strata);
    std::map<std::string, int> counts;
    for (const std::size_t row : split.validation) ++counts[strata[row]];
    QVERIFY(counts["a"] == 16 && counts["b"] == 3 && counts["c"] == 1);
    std::set<std::size_t> all(split.train.begin(), split.train.end());
    all.insert(split.validation.begin(), split.validation.end());
    QVERIFY(all.size() == 100 && split.train.size() == 80);
    QVERIFY(split_rows(rows_of(100), 0.2, 7, strata).validation == split.validation &&
            split_rows(rows_of(100), 0.2, 8, strata).validation != split.validation);
    QCOMPARE(split_rows(rows_of(3), 0.01, 1).validation.size(), std::size_t(1));
    QCOMPARE(split_rows(rows_of(3), 0.99, 1).train.size(), std::size_t(1));
    QVERIFY(split_rows(rows_of(1), 0.5, 1).train.size() +
                split_rows(rows_of(1), 0.5, 1).validation.size() ==
            1);
    const RowList some = sampled_rows(rows_of(50), 10, 3);
    QVERIFY(some.size() == 10 && std::is_sorted(some.begin(), some.end()) &&
            some == sampled_rows(rows_of(50), 10, 3) &&
            sampled_rows({4, 9}, 5, 1) == (RowList{4, 9}));
  }

  void rows_are_put_right() {
    const Room room;
    fs::create_directories(room.path() / "pictures");
    fs::copy_file(data_room() / "a.png", room.path() / "pictures/Cat.PNG");
    const auto reads = [&](const std::optional<Json>& row) {
      if (!row) return false;
      const auto read = read_conversation(*row, room.path(), "row 1");
      if (!read) qWarning("%s", read.error().sentence().c_str());
      return read.ok();
    };
    const Json marks = {{"image", "pictures/Cat.PNG"},
                        {"prompt", "<image><image>\nWhat?"},
                        {"completion", "<image> A cat."}};
    const auto fixed = fixed_row("image_marks", marks, room.path());
    QVERIFY(reads(fixed) && (*fixed)["prompt"] == "<image>\nWhat?" &&
            (*fixed)["completion"] == " A cat.");
    const Json turns = {
        {"images", {"pictures/Cat.PNG", "pictures/Cat.PNG"}},
        {"conversations",
         {{{"from", "human"}, {"value", "<image>Both?"}}, {{"from", "gpt"}, {"value", "Yes."}}}}};
    QVERIFY(reads(fixed_row("image_marks", turns, room.path())));
    const Json lost = {{"image", "old/cat.png"}, {"prompt", "a"}, {"completion", "b"}};
    const auto found = fixed_row("missing_image", lost, room.path());
    QVERIFY(found && (*found)["image"] == "pictures/Cat.PNG");
    const Json key = {{"imgae", "pictures/Cat.PNG"}, {"prompt", "a"}, {"completion", "b"}};
    const auto renamed = fixed_row("unknown_key", key, room.path());
    QVERIFY(renamed && (*renamed).contains("image") && !renamed->contains("imgae"));
    QVERIFY(!fixed_row("missing_image", {{"image", "none.png"}}, room.path()));
    QVERIFY(!fixed_row("too_long", lost, room.path()) && !is_fixable("too_long"));
  }

  void sets_of_rows_are_joined_and_parted() {
    RowSet rows = {700, 3, 64, 3};
    QVERIFY(rows.rows() == (RowList{3, 64, 700}) && rows.size() == 3);
    QVERIFY(rows.contains(64) && !rows.contains(65) && !rows.contains(100'000));
    rows.insert(RowSet{3, 5, 9'000});
    QCOMPARE(rows.size(), std::size_t(5));
    QVERIFY(!rows.insert(5) && rows.insert(6));
    rows.erase(RowSet{5, 64, 80, 1'000'000});
    rows.erase(7);
    QVERIFY(rows.rows() == (RowList{3, 6, 700, 9'000}) && rows.size() == 4);
  }

  void what_is_put_right_last_counts() {
    ReplacedRows rows({ReplacedRows::row(9, {{"a", 1}}), ReplacedRows::row(2, {{"a", 2}})});
    const ReplacedRows before = rows;
    rows.put(ReplacedRows({ReplacedRows::row(9, {{"a", 3}}), ReplacedRows::row(5, {{"a", 4}})}));
    QVERIFY(rows.size() == 3 && (*rows.find(9))["a"] == 3 && (*rows.find(2))["a"] == 2);
    QVERIFY(!rows.find(3) && (*before.find(9))["a"] == 1 && !before.contains(5));
  }

  // A check tells of a key once, of the first row that has it; it is put right in all.
  void keys_are_put_right_in_every_row() {
    const Room room;
    std::string text;
    for (int i = 0; i < 600; ++i)
      text += line_of({{i % 2 ? "imgae" : "image", "a.png"}, {"prompt", "a"}, {"completion", "b"}});
    const auto dataset = opened(room.write("t.jsonl", text));
    RowEdits edits;
    edits.dropped = {1};
    edits.replaced = ReplacedRows(
        {ReplacedRows::row(4, {{"imgae", "c.png"}, {"prompt", "a"}, {"completion", "b"}}),
         ReplacedRows::row(3, {{"image", "b.png"}, {"prompt", "a"}, {"completion", "b"}})});
    const auto keys = fixed_keys(*dataset, edits);
    QVERIFY(keys.ok() && keys->left.empty());
    QCOMPARE(keys->fixed.size(), std::size_t(300 - 2 + 1));
    QVERIFY(!keys->fixed.contains(1) && !keys->fixed.contains(3) &&
            (*keys->fixed.find(4))["image"] == "c.png" &&
            (*keys->fixed.find(599))["image"] == "a.png" &&
            !keys->fixed.find(599)->contains("imgae"));
    const auto stopped =
        fixed_keys(*dataset, edits, [](std::size_t, std::size_t) { return false; });
    QVERIFY(!stopped && stopped.error().code == ErrorCode::Interrupted);
  }

  // A picture elsewhere is the row's where it is the only one of its name.
  void pictures_elsewhere_are_taken_where_one_is_meant() {
    const Room room;
    room.write("x/twice.png", "");
    room.write("y/Twice.png", "");
    room.write("x/once.PNG", "");
    room.write("x/other.webp", "");
    room.write("y/notes.txt", "");
    PictureFinder pictures;
    const auto found = [&](const char* path) {
      return pictures.find(room.path(), path).value_or("nothing");
    };
    QCOMPARE(found("old/once.png"), std::string("x/once.PNG"));
    QCOMPARE(found("old/other.jpg"), std::string("x/other.webp"));
    QCOMPARE(found("old/twice.png"), std::string("nothing"));
    QCOMPARE(found("old/twice.jpg"), std::string("nothing"));
    QCOMPARE(found("old/notes.png"), std::string("nothing"));
    // The folder was gone through once.
    room.write("x/late.png", "");
    QCOMPARE(found("late.png"), std::string("nothing"));
    const Json row = {{"image", "old/twice.png"}, {"prompt", "a"}, {"completion", "b"}};
    QVERIFY(!fixed_row("missing_image", row, room.path()));
  }

  void copies_leave_the_original() {
    const Room room;
    fs::copy_file(data_room() / "a.png", room.path() / "a.png");
    std::string text;
    for (int i = 0; i < 6; ++i)
      text += line_of(
          {{"image", "a.png"}, {"prompt", "<image>" + std::to_string(i)}, {"completion", "yes"}});
    const fs::path original = room.write("data/t.jsonl", text);
    fs::copy_file(data_room() / "a.png", room.path() / "data/a.png");
    const auto dataset = opened(original);
    CopyRequest request;
    request.edits.dropped = {1};
    request.edits.replaced = ReplacedRows(
        {ReplacedRows::row(2, {{"image", "a.png"}, {"prompt", "put right"}, {"completion", "b"}})});
    request.rows = kept_rows(*dataset, request.edits);
    const fs::path out = room.path() / "out.jsonl";
    const auto report = copy_rows(*dataset, request, out);
    QVERIFY2(report.ok(), report.ok() ? "" : report.error().sentence().c_str());
    QVERIFY(report->written == 5 && *read_file(original) == text);
    const auto copy = opened(out);
    QVERIFY(copy->size() == 5 && (*copy->row(1))["prompt"] == "put right");
    QVERIFY((*copy->row(0))["image"] == "data/a.png" && copy->read(0).ok());
    // What is there is not written over, and what is left out is said.
    const auto again = copy_rows(*dataset, request, out);
    QVERIFY(!again && again.error().what.find("There is a file already") != std::string::npos);
    const auto stopped = copy_rows(*dataset, request, room.path() / "stopped.jsonl", any_rows(),
                                   [](std::size_t, std::size_t) { return false; });
    QVERIFY(!stopped && !fs::exists(room.path() / "stopped.jsonl"));
    for (const auto& entry : fs::directory_iterator(room.path()))
      QVERIFY(entry.path().string().find("partial") == std::string::npos);
    request.rows = {0};
    request.form = CopyForm::Conversations;
    QVERIFY(copy_rows(*dataset, request, room.path() / "llava.jsonl").ok());
    const auto llava = opened(room.path() / "llava.jsonl");
    QVERIFY((*llava->row(0))["conversations"][0]["value"] == "<image>\n0" &&
            row_json(*llava->read(0), {}) == row_json(*dataset->read(0), {}));
    // Variants are drawn by the seed, show the same, and go again with a copy that is not whole.
    request.form = CopyForm::AsWritten;
    request.variants.copies = 2;
    const auto varied = copy_rows(*dataset, request, room.path() / "varied.jsonl");
    QVERIFY2(varied.ok(), varied.ok() ? "" : varied.error().sentence().c_str());
    const auto more = opened(room.path() / "varied.jsonl");
    QVERIFY(varied->written == 3 && more->size() == 3 && more->read(2).ok());
    const auto picture = decode_image(first_picture(*more->read(1)));
    const auto plain = decode_image(room.path() / "a.png");
    QVERIFY(picture.ok() && picture->rgb != plain->rgb && picture->width <= plain->width);
    QCOMPARE(picture_variant(*plain, request.variants, 5).rgb,
             picture_variant(*plain, request.variants, 5).rgb);
    QVERIFY(picture_variant(*plain, request.variants, 5).rgb !=
            picture_variant(*plain, request.variants, 6).rgb);
    QVERIFY(copy_rows(*dataset, request, room.path() / "varied.jsonl").ok() == false);
    const auto cut = copy_rows(*dataset, request, room.path() / "cut.jsonl", any_rows(),
                               [](std::size_t, std::size_t) { return false; });
    QVERIFY(!cut && !fs::exists(room.path() / "cut-pictures"));
    request.variants = {};
    request.rows.clear();
    QVERIFY(!copy_rows(*dataset, request, room.path() / "none.jsonl").ok());
  }

  // However many rows are left out, all are counted; what is said of them is said of the first.
  void rows_that_are_left_out_are_counted() {
    const Room room;
    std::string text = line_of({{"prompt", "a"}, {"completion", "b"}});
    for (int i = 0; i < 250; ++i) text += "no row\n";
    const auto dataset = opened(room.write("t.jsonl", text));
    const auto report = copy_rows(*dataset, {rows_of(dataset->size())}, room.path() / "out.jsonl");
    QVERIFY(report.ok() && report->written == 1 && report->left_out == 250 &&
            report->unreadable.size() == 100);
  }

  // A broken picture costs its row's variants and no more.
  void a_broken_picture_ends_no_copy() {
    const Room room;
    fs::copy_file(data_room() / "a.png", room.path() / "a.png");
    room.write("broken.png", "no picture");
    const auto row = [](const Json& pictures) {
      return line_of({{"images", pictures}, {"prompt", "What?"}, {"completion", "b"}});
    };
    const auto dataset =
        opened(room.write("t.jsonl", row({"a.png", "broken.png"}) + row({"a.png"})));
    CopyRequest request;
    request.rows = rows_of(2);
    request.variants.copies = 2;
    const auto report = copy_rows(*dataset, request, room.path() / "out.jsonl");
    QVERIFY2(report.ok(), report.ok() ? "" : report.error().sentence().c_str());
    QVERIFY(report->written == 4 && report->left_out == 1 && report->unreadable.size() == 1);
    std::size_t pictures = 0;
    for (const auto& entry : fs::directory_iterator(room.path() / "out-pictures"))
      pictures += entry.is_regular_file();
    QCOMPARE(pictures, std::size_t(2));  // none of the row that has no variants
  }

  // Once the rows stand, their pictures do: whatever fails after that.
  void a_copy_that_stands_has_its_pictures() {
    const Room room;
    fs::copy_file(data_room() / "a.png", room.path() / "a.png");
    const auto dataset = opened(room.write(
        "t.jsonl", line_of({{"image", "a.png"}, {"prompt", "What?"}, {"completion", "b"}})));
    CopyRequest request;
    request.rows = rows_of(1);
    request.variants.copies = 1;
    unsynced_folder = fs::canonical(room.path());
    const auto report = copy_rows(*dataset, request, room.path() / "out.jsonl");
    unsynced_folder.clear();
    QVERIFY(!report && report.error().code == ErrorCode::Machine);
    QVERIFY(fs::exists(room.path() / "out.jsonl"));
    const auto copy = opened(room.path() / "out.jsonl");
    QVERIFY(copy->size() == 2 && decode_image(first_picture(*copy->read(1))).ok());
  }
};

QTEST_GUILESS_MAIN(TestDatasetTools)
#include "test_dataset_tools.moc"
