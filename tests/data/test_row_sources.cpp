// SPDX-License-Identifier: GPL-3.0-or-later
// Tables, archives, folders, Parquet and Arrow files open to the rows that they hold; what is
// hostile or broken among them is a sentence.
#include "tests/data/chat_fixture.h"

#include <fstream>

#include "engine/base/base64.h"
#include "engine/data/columns.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/data/sources/arrow_library.h"
#include "engine/data/sources/csv_text.h"
#include "engine/data/sources/tar_index.h"
#include "engine/io/files.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

/// A member as GNU and POSIX tar write it; the sum is what makes it believed.
std::string member(const std::string& name, const std::string& content, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  char octal[13];
  std::snprintf(octal, sizeof octal, "%011o", static_cast<unsigned>(content.size()));
  put(0, name);
  put(124, octal);
  put(257, std::string("ustar\0", 6) + "00");
  header[156] = type;
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, std::string(octal, 6) + '\0' + ' ');
  std::string padded = content;
  padded.resize((padded.size() + 511) / 512 * 512, '\0');
  return header + padded;
}

const std::string kArchiveEnd(1024, '\0');

class Place {
 public:
  fs::path path() const { return temporary_.path().toStdString(); }
  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << text;
    return path() / name;
  }
  fs::path picture(const std::string& name) const {
    fs::create_directories((path() / name).parent_path());
    fs::copy_file(data_room() / "a.png", path() / name);
    return path() / name;
  }

 private:
  QTemporaryDir temporary_;
};

std::string sentence_of(const fs::path& path) {
  const auto dataset = Dataset::open({path});
  return dataset ? std::string() : dataset.error().sentence();
}

bool says(const std::string& sentence, const char* part) {
  if (sentence.find(part) != std::string::npos) return true;
  qWarning("%s", sentence.c_str());
  return false;
}

fs::path tables() { return fs::path(LUTHIER_TEST_DATA) / "data_room/tables"; }

}  // namespace

class TestRowSources : public QObject {
  Q_OBJECT

 private slots:
  void tables_of_text() {
    const Place place;
    const auto dataset =
        Dataset::open({place.write("t.csv",
                                   "\xef\xbb\xbfprompt,completion,label\r\n"
                                   "\"What, exactly?\nSay \"\"it\"\".\",a circle,true\r\n"
                                   "\r\n"
                                   "two,,0\r\n"
                                   "only one field\n")});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    QCOMPARE((*dataset)->size(), std::size_t(3));
    const auto first = (*dataset)->row(0), second = (*dataset)->row(1), third = (*dataset)->row(2);
    QVERIFY(first.ok() && second.ok());
    QVERIFY((*first)["prompt"] == "What, exactly?\nSay \"it\"." && (*first)["label"] == true);
    QVERIFY((*second)["completion"].is_null() && (*second)["label"] == false);
    QVERIFY(!third.ok() && says(third.error().sentence(), "has 1 fields, the table 3 columns"));
    QVERIFY(says((*dataset)->where(1), "row 2 (line 5)"));
    // Separators go by the first line, and a cell that holds messages is read as them.
    const auto tabs = Dataset::open({place.write(
        "t.tsv", "messages\tnote\n[{\"role\": \"user\", \"content\": \"a, b\"}]\tx\n")});
    QVERIFY(tabs.ok() && (*tabs)->read(0).ok());
    const auto semicolons = Dataset::open({place.write("s.csv", "prompt;completion\na,b;c\n")});
    QVERIFY(semicolons.ok() && (*(*semicolons)->row(0))["prompt"] == "a,b");
  }

  // As Python's csv reads: a quote opens a field at its start and is a letter elsewhere.
  void quotes_within_fields() {
    const Place place;
    const auto rows = [&](const std::string& text) {
      std::vector<std::vector<std::string>> read;
      const char separator = detail::separator_of(text);
      const auto spans = detail::index_csv(text, separator, "t.csv");
      if (!spans) return read;
      for (std::size_t i = 0; i < spans->size(); ++i) {
        const detail::RowSpan span = (*spans)[i];
        read.push_back(detail::csv_fields(text.substr(span.begin, span.end - span.begin), ','));
      }
      return read;
    };
    using Rows = std::vector<std::vector<std::string>>;
    QCOMPARE(rows("a,5\" pipe\nb,6\" pipe\n"), (Rows{{"a", "5\" pipe"}, {"b", "6\" pipe"}}));
    QCOMPARE(rows("a,5\" pipe\nb,\"6\"\" pipe,\nlong\"\n"),
             (Rows{{"a", "5\" pipe"}, {"b", "6\" pipe,\nlong"}}));
    QCOMPARE(rows("\"a\"b\"c,d\ne,\"\"\n"), (Rows{{"ab\"c", "d"}, {"e", ""}}));
    QCOMPARE(rows("a, \"b\nc,d\n"), (Rows{{"a", " \"b"}, {"c", "d"}}));
    QCOMPARE(rows("\"\"\"\",x\n\"\"\"\n\",y\n"), (Rows{{"\"", "x"}, {"\"\n", "y"}}));
    QCOMPARE(detail::separator_of("5\" pipe;b, c;d\n"), ';');
    const auto pipes =
        Dataset::open({place.write("p.csv", "prompt,completion\na,5\" pipe\nb,6\" pipe\n")});
    QVERIFY(pipes.ok() && (*pipes)->size() == 2 && (*(*pipes)->row(1))["completion"] == "6\" pipe");
  }

  void tables_that_are_none() {
    const Place place;
    QVERIFY(says(sentence_of(place.write("q.csv", "a,b\n1,\"never closed\n2,3\n4,5\n")),
                 "opens in line 2 of the table is never closed"));
    QVERIFY(says(sentence_of(place.write("d.csv", "a,a\n1,2\n")), "are called \"a\""));
    QVERIFY(says(sentence_of(place.write("h.csv", "a,b\n")), "and no rows"));
    QVERIFY(says(sentence_of(place.write("z.csv", "PK\x03\x04....")), "a ZIP archive"));
    QVERIFY(says(sentence_of(place.write("e.csv", "")), "no rows"));
    QVERIFY(says(sentence_of(place.write("k.csv", "a,b\n\xb1\xd7\xb8\xb2\xc0\xbb,1\n")), "CP949"));
    // A field of more than a row may have is that row's fault alone.
    const auto large = Dataset::open(
        {place.write("l.csv", "a,b\n\"" + std::string((64u << 20) + 5, 'x') + "\",1\n2,3\n")});
    QVERIFY(large.ok() && !(*large)->row(0).ok() && (*large)->row(1).ok());
  }

  void archives() {
    const Place place;
    const std::string picture = *read_file(data_room() / "a.png");
    const std::string long_name = "train/" + std::string(120, 'n') + ".txt";
    const auto dataset = Dataset::open({place.write(
        "shard.tar",
        member("train/", "", '5') + member("train/0001.png", picture) +
            member("train/0001.json", R"({"prompt": "<image>How many?", "completion": "Three."})") +
            member("train/0002.PNG", picture) + member("train/0002.seg.png", picture) +
            member("train/0002.txt", "  a caption\n") + member("train/0002.pkl", "never read") +
            member("././@LongLink", long_name + '\0', 'L') + member("train/short.txt", "far") +
            member("link.txt", "", '2') + kArchiveEnd)});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    QCOMPARE((*dataset)->size(), std::size_t(3));
    const auto row = (*dataset)->read(0);
    QVERIFY2(row.ok(), row.ok() ? "" : row.error().sentence().c_str());
    QVERIFY(row->messages[0].content[0].kind == ContentPart::Kind::Image);
    const auto second = (*dataset)->row(1);
    QVERIFY(second.ok() && (*second)["images"].size() == 2 && (*second)["txt"] == "a caption" &&
            (*second)["__key__"] == "train/0002" && !second->contains("pkl"));
    const auto third = (*dataset)->row(2);
    QVERIFY(third.ok() && (*third)["__key__"].get<std::string>().size() == 126 &&
            (*third)["txt"] == "far");
  }

  // Samples were often written with the path that their picture had; it lies in the archive now.
  void pictures_of_an_archive_before_what_it_says_of_them() {
    const Place place;
    const std::string picture = *read_file(data_room() / "a.png");
    const std::string row = R"({"image": "old/0001.png", "images": ["x"], "completion": "Three."})";
    const auto dataset = Dataset::open({place.write(
        "shard.tar", member("1.json", row) + member("1.png", picture) + member("2.a.png", picture) +
                         member("2.b.png", picture) + member("2.json", row) +
                         member("3.json", row) + kArchiveEnd)});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    const auto first = (*dataset)->row(0), second = (*dataset)->row(1), third = (*dataset)->row(2);
    QVERIFY(first.ok() && (*first)["image"].is_object() && (*first)["image"]["path"] == "1.png" &&
            !first->contains("images") && (*first)["completion"] == "Three.");
    QVERIFY(second.ok() && (*second)["images"].size() == 2 && !second->contains("image"));
    QVERIFY(third.ok() && (*third)["image"] == "old/0001.png");
  }

  void archives_that_lie() {
    const Place place;
    QVERIFY(
        says(sentence_of(place.write("out.tar", member("../etc/passwd.txt", "x") + kArchiveEnd)),
             "leads out of it"));
    QVERIFY(says(sentence_of(place.write("abs.tar", member("/etc/x.txt", "x") + kArchiveEnd)),
                 "leads out of it"));
    std::string sum = member("a.txt", "x");
    sum[10] = 'z';
    QVERIFY(says(sentence_of(place.write("sum.tar", sum + kArchiveEnd)), "sum is wrong"));
    QVERIFY(says(sentence_of(place.write("cut.tar",
                                         member("a.txt", std::string(5000, 'x')).substr(0, 1024))),
                 "longer than what is left"));
    QVERIFY(says(sentence_of(place.write("none.tar", kArchiveEnd)), "holds no samples"));
    QVERIFY(says(sentence_of(place.write("pax.tar", member("p", "20 size=99999999999\n", 'x') +
                                                        member("a.txt", "x") + kArchiveEnd)),
                 "longer than what is left"));
  }

  void pictures_and_their_captions() {
    const Place place;
    place.picture("cats/b.png");
    place.picture("cats/a.png");
    place.picture("dogs/c.png");
    place.write("cats/a.txt", "A red circle.\n");
    place.write("cats/b.json", R"({"prompt": "What?", "completion": "A cat.", "image": "x.png"})");
    const auto dataset = Dataset::open({place.path()});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    QCOMPARE((*dataset)->size(), std::size_t(3));
    const auto first = (*dataset)->row(0);
    QVERIFY(first.ok() && (*first)["caption"] == "A red circle." && (*first)["label"] == "cats");
    const auto told = (*dataset)->read(1);
    QVERIFY(told.ok() && told->messages[0].content[0].image == place.path() / "cats/b.png");
    const std::string before = (*dataset)->fingerprint();
    place.write("cats/a.txt", "Another caption.");
    QVERIFY((*Dataset::open({place.path()}))->fingerprint() != before);
    // With a question of all rows, the caption is the answer.
    ColumnMap map;
    map.columns = {{"image", "image"}, {"completion", "caption"}};
    map.prompt = "Describe the {label}.";
    const auto asked = Dataset::open({place.path()}, {}, map);
    const auto row = (*asked)->read(0);
    QVERIFY2(row.ok(), row.ok() ? "" : row.error().sentence().c_str());
    QVERIFY(row->messages[0].content[1].text == "Describe the cats." &&
            row->messages[1].content[0].text == "Another caption.");
  }

  // A name may have 255 bytes: beside the longest of pictures no caption can lie.
  void the_longest_names_have_no_captions() {
    const Place place;
    const std::string name = std::string(251, 'n') + ".png";
    place.picture(name);
    place.picture("short.png");
    place.write("short.caption", "A circle.");
    const auto dataset = Dataset::open({place.path()});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    const auto row = (*dataset)->row(0);
    QVERIFY(row.ok() && (*row)["image"] == name && !row->contains("caption"));
    QVERIFY((*(*dataset)->row(1))["caption"] == "A circle.");
  }

  void folders_that_describe_their_pictures() {
    const Place place;
    place.picture("a.png");
    place.picture("b.png");
    place.write("metadata.csv", "file_name,prompt,completion\na.png,What?,A.\n../b.png,What?,B.\n");
    const auto dataset = Dataset::open({place.path()});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    const auto row = (*dataset)->read(0);
    QVERIFY(row.ok() && row->messages[0].content[0].image == place.path() / "a.png");
    QVERIFY(says((*dataset)->read(1).error().sentence(), "leads to no file of the folder"));
    const Place lines;
    lines.picture("train/a.png");
    lines.write("train/metadata.jsonl", R"({"file_name": "a.png", "text": "red"})");
    const auto described = Dataset::open({lines.path()});
    QVERIFY(described.ok() && (*(*described)->row(0))["text"] == "red");
  }

  // Which of so many entries the system names first is chance: all of them are looked at.
  void large_folders_of_pictures_and_their_facts() {
    const Place place;
    constexpr int kPictures = 60'000;
    const auto make = [&](int i, const char* ending) {
      std::ofstream(place.path() / (std::to_string(i) + ending)) << "{}";
    };
    for (int i = 0; i < kPictures; ++i) make(i, ".png");
    for (int i = 0; i < kPictures; ++i) make(i, ".json");
    const auto dataset = Dataset::open({place.path()});
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    QCOMPARE((*dataset)->size(), std::size_t(kPictures));
    place.write("metadata.jsonl", R"({"file_name": "1.png", "text": "red"})");
    const auto described = Dataset::open({place.path()});
    QVERIFY(described.ok() && (*described)->size() == 1 &&
            (*(*described)->row(0))["image"] == "1.png");
  }

  void folders_of_rows() {
    const Place place;
    const std::string row = R"({"prompt": "a", "completion": "b"})";
    place.write("train.jsonl", row + "\n" + row);
    place.write("test.jsonl", row);
    place.write("README.md", "words");
    const auto dataset = Dataset::open({place.path()});
    QVERIFY(dataset.ok() && (*dataset)->size() == 2);
    const Place several;
    several.write("one.jsonl", row);
    several.write("two.jsonl", row);
    QVERIFY(says(sentence_of(several.path()), "Name a file in it: one.jsonl, two.jsonl."));
    QVERIFY(says(sentence_of(place.path() / "gone"), "missing"));
    const Place empty;
    QVERIFY(says(sentence_of(empty.path()), "The folder holds no dataset."));
    const Place shards;
    fs::create_directories(shards.path() / "data");
    for (const char* name : {"data/train-00000.tar", "data/train-00001.tar", "data/test-00000.tar"})
      shards.write(name, member("0.json", row) + member("1.json", row) + kArchiveEnd);
    const auto joined = Dataset::open({shards.path()});
    QVERIFY2(joined.ok(), joined.ok() ? "" : joined.error().sentence().c_str());
    QVERIFY((*joined)->size() == 4 && (*joined)->file_of(3) == 0 &&
            says((*joined)->where(3), "train-00001.tar: row 2"));
    const Place saved;
    saved.write("state.json", R"({"_data_files": [{"filename": "../../x.arrow"}]})");
    saved.write("data.arrow", "ARROW1");
    QVERIFY(says(sentence_of(saved.path()), "leads out of the folder"));
  }

  // Files that pyarrow and the datasets library wrote (make_tables.py).
  void parquet_and_arrow() {
    if (!detail::arrow_library()) QSKIP("Apache Arrow is not here");
    for (const char* name : {"rows.parquet", "rows.arrow", "rows.stream.arrow", "saved", "hub"}) {
      const auto dataset = Dataset::open({tables() / name});
      QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
      QCOMPARE((*dataset)->size(), std::size_t(5));
      for (std::size_t i : {4u, 0u, 2u}) {  // not in their order, over groups of two
        const auto row = (*dataset)->read(i);
        QVERIFY2(row.ok(), row.ok() ? "" : row.error().sentence().c_str());
        QVERIFY(row->messages[0].content[0].kind == ContentPart::Kind::Image);
        QCOMPARE(row->messages[1].content[0].text, "answer \"" + std::to_string(i) + "\"");
      }
      const auto json = (*dataset)->row(1);
      QVERIFY(json.ok() && (*json)["numbers"] == Json::parse("[1, 2.5, null]") &&
              (*json)["facts"]["deep"]["list"].size() == 1 && (*json)["nothing"].is_null());
      if (std::string(name) == "saved" || std::string(name) == "hub")
        QCOMPARE((*json)["kind"], Json("dog"));  // a class by its name
    }
    const Place place;
    const std::string whole = *read_file(tables() / "rows.parquet");
    QVERIFY(says(sentence_of(place.write("cut.parquet", whole.substr(0, whole.size() / 2))),
                 "cannot be read as Parquet or Arrow"));
    QVERIFY(says(sentence_of(place.write("none.parquet", "PAR1")),
                 "cannot be read as Parquet or Arrow"));
    // The first group's bytes and its two rows, as the file's foot says them; the lowest bit is the
    // sign.
    std::string negative = whole;
    const std::size_t size_at = negative.find("\x16\xae\x23\x16\x04");
    QVERIFY(size_at != std::string::npos);
    negative[size_at + 1] = '\xaf';
    QVERIFY(says(sentence_of(place.write("negative.parquet", negative)), "says a negative size"));
    for (const char* name : {"rows.parquet", "rows.arrow", "rows.stream.arrow"}) {
      // Damage anywhere is a sentence, or another value, and never more than that.
      const std::string bytes = *read_file(tables() / name);
      for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 60 + 1) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
        const auto dataset = Dataset::open({place.write(std::string("d-") + name, damaged)});
        if (!dataset) continue;
        for (std::size_t row = 0; row < std::min<std::size_t>((*dataset)->size(), 8); ++row)
          (void)(*dataset)->row(row);
      }
    }
  }

  // A dataset may be a thousand shards.
  void a_shard_holds_one_file_open() {
    if (!detail::arrow_library()) QSKIP("Apache Arrow is not here");
    const auto open_files = [] {
      const fs::directory_iterator files("/proc/self/fd");
      return std::distance(fs::begin(files), fs::end(files));
    };
    (void)Dataset::open({tables() / "rows.parquet"});
    const auto before = open_files();
    const auto dataset = Dataset::open(std::vector<fs::path>(8, tables() / "rows.parquet"));
    QVERIFY2(dataset.ok(), dataset.ok() ? "" : dataset.error().sentence().c_str());
    QCOMPARE(open_files() - before, std::ptrdiff_t(8));
    QVERIFY((*dataset)->row(39).ok());
  }

  void columns_are_guessed_and_mapped() {
    const Place place;
    place.picture("p/1.png");
    const auto dataset = Dataset::open({place.write(
        "vqa.jsonl", R"({"photo": "p/1.png", "question": "How many?", "answers": )"
                     R"([{"answer": "two"}, {"answer": "three"}, {"answer": "three"}], "id": 7})"
                     "\n")});
    const ColumnSurvey survey = survey_columns(**dataset);
    QCOMPARE(survey.columns.size(), std::size_t(4));
    QVERIFY(survey.columns[0].kind == "picture" && survey.columns[3].kind == "number");
    const ColumnMap map = guess_columns(**dataset, answer_rows(), survey, "Describe it.");
    QVERIFY(map.column_of("image") == "photo" && map.column_of("prompt") == "question" &&
            map.column_of("completion") == "answers" && map.prompt.empty());
    const auto mapped = Dataset::open({place.path() / "vqa.jsonl"}, {}, map);
    const auto row = (*mapped)->row(0);
    QVERIFY((*row)["completion"] == "three" && (*row)["image"] == "p/1.png" && (*row)["id"] == 7 &&
            !row->contains("photo") && !row->contains("question"));
    QVERIFY((*mapped)->read(0).ok() && (*mapped)->fingerprint() != (*dataset)->fingerprint());
    // The recipe carries it, and what is no column or no target is refused.
    Recipe recipe;
    set_columns(recipe, map);
    QVERIFY(*column_map(recipe) == map);
    QVERIFY(
        says(column_map({"picture=a"}, "", "").error().sentence(), "nothing that a column can be"));
    QVERIFY(says(column_map({"image"}, "", "").error().sentence(), "says no column"));
    QVERIFY(says(column_map({"image=a", "image=b"}, "", "").error().sentence(), "Two columns"));
    // Rows that are read as they are need no map, and rows of another table stay as they are.
    const auto plain =
        Dataset::open({place.write("p.jsonl", R"({"prompt": "a", "completion": "b"})")});
    QVERIFY(guess_columns(**plain, answer_rows(), survey_columns(**plain), "").empty());
    const auto foreign = Dataset::open({place.path() / "p.jsonl"}, {}, map);
    QVERIFY((*(*foreign)->row(0))["prompt"] == "a");
    // So they do where the columns stand in the texts alone: evaluation data of another shape.
    const ColumnMap texts{{}, "How many {what}?", "{count} of them"};
    const Json made = mapped_row(texts, Json::parse(R"({"what": "cups", "count": 3})"));
    QVERIFY(made["prompt"] == "How many cups?" && made["completion"] == "3 of them");
    const Json other = Json::parse(R"({"prompt": "a", "completion": "b"})");
    QVERIFY(mapped_row(texts, other) == other);
    for (const char* fixed : {"In a {word.", "As {\"shape\": \"…\"}.", "{}"})
      QVERIFY(mapped_row({{}, fixed, ""}, other)["prompt"] == fixed);
    // A point leads into lists and objects.
    const Json deep =
        mapped_row({{{"prompt", "turns.0.user"}, {"completion", "turns.0.bot"}}, "", ""},
                   Json::parse(R"({"turns": [{"user": "q", "bot": 5}]})"));
    QVERIFY(deep["prompt"] == "q" && deep["completion"] == "5");
  }
};

QTEST_GUILESS_MAIN(TestRowSources)
#include "test_row_sources.moc"
