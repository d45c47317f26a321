// SPDX-License-Identifier: GPL-3.0-or-later
// A folder of pictures that becomes a dataset: what is written after each answer, what is found
// again, and what is refused.
#include <QTemporaryDir>
#include <QtTest>
#include <filesystem>
#include <fstream>

#include "engine/data/annotation.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/io/files.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

using State = AnnotationItem::State;

class Desk {
 public:
  Desk() {
    for (const char* name : {"red_cups/cup-one.png", "red_cups/cup_two.jpg", "loose.webp"}) {
      fs::create_directories((pictures() / name).parent_path());
      fs::copy_file(LUTHIER_TEST_DATA "/data_room/a.png", pictures() / name);
    }
    std::ofstream(pictures() / "notes.txt") << "no picture";
    std::ofstream(pictures() / ".hidden.png") << "no picture";
  }
  fs::path root() const { return folder_.path().toStdString(); }
  fs::path pictures() const { return root() / "pictures"; }
  fs::path file() const { return root() / "made/rows.jsonl"; }
  AnnotationPlan plan(AnnotationKind kind = AnnotationKind::Answers) const {
    fs::create_directories(root() / "made");
    return {pictures(), kind, {"What is this {file} of {folder}?", "  ", "How many?"}};
  }

 private:
  QTemporaryDir folder_;
};

QString said(const Status& status) {
  return status ? QString() : QString::fromStdString(status.error().sentence());
}

#define ACCEPTED(...)                           \
  do {                                          \
    const Status status = (__VA_ARGS__);        \
    QVERIFY2(status, qPrintable(said(status))); \
  } while (false)

std::vector<Json> rows_of(const fs::path& file) {
  std::vector<Json> rows;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

}  // namespace

class TestAnnotation : public QObject {
  Q_OBJECT

 private slots:
  void questions_are_asked_of_every_picture();
  void the_pictures_are_those_of_a_dataset();
  void an_answer_is_in_the_file_at_once();
  void goes_on_where_it_was_left();
  void rows_are_found_again_and_kept_as_they_are();
  void training_reads_the_rows_data();
  void training_reads_the_rows();
  void what_teaches_nothing_is_refused();
  void a_broken_plan_is_named_data();
  void a_broken_plan_is_named();
  void what_cannot_be_written_did_not_happen();
};

void TestAnnotation::questions_are_asked_of_every_picture() {
  const Desk desk;
  const auto made = Annotation::begin(desk.plan(), desk.file());
  QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
  QCOMPARE(made->items().size(), std::size_t{6});
  QCOMPARE(made->items()[0].picture.filename().string(), std::string("loose.webp"));
  QCOMPARE(made->items()[2].question, std::string("What is this cup one of red cups?"));
  QCOMPARE(made->items()[5].question, std::string("How many?"));
  QCOMPARE(made->count(State::Open), std::size_t{6});
}

/// In their order, from however deep; one that cannot be decoded is among both, so that it is said.
void TestAnnotation::the_pictures_are_those_of_a_dataset() {
  const Desk desk;
  fs::path deep = desk.pictures();
  for (int depth = 0; depth < 12; ++depth) deep /= "in";
  for (const fs::path& path :
       {deep / "deep.png", desk.pictures() / "red_cups-more.png", desk.pictures() / "phone.heic",
        desk.pictures() / ".thumbs/small.png", desk.pictures() / "LOUD.PNG"}) {
    fs::create_directories(path.parent_path());
    fs::copy_file(LUTHIER_TEST_DATA "/data_room/a.png", path);
  }
  const auto dataset = Dataset::open({desk.pictures()});
  QVERIFY2(dataset.ok(), dataset ? "" : dataset.error().sentence().c_str());
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < (*dataset)->size(); ++i)
    rows.push_back((*(*dataset)->row(i))["image"].get<std::string>());
  QCOMPARE(rows.size(), std::size_t{7});
  AnnotationPlan plan = desk.plan();
  plan.questions = {"What?"};
  const auto made = Annotation::begin(plan, desk.file());
  QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
  std::vector<std::string> items;
  for (const AnnotationItem& item : made->items())
    items.push_back(item.picture.lexically_relative(desk.pictures()).generic_string());
  QCOMPARE(items, rows);
}

void TestAnnotation::an_answer_is_in_the_file_at_once() {
  const Desk desk;
  auto made = Annotation::begin(desk.plan(), desk.file()).take();
  AnnotationItem item = made.items()[2];
  item.answer = "  A cup.\n";
  ACCEPTED(made.accept(2, item));
  const auto rows = rows_of(desk.file());
  QCOMPARE(rows.size(), std::size_t{1});
  const Json& content = rows[0]["messages"][0]["content"];
  QCOMPARE(content[0]["path"].get<std::string>(), std::string("../pictures/red_cups/cup-one.png"));
  QCOMPARE(rows[0]["messages"][1]["content"][0]["text"].get<std::string>(), std::string("A cup."));
  QCOMPARE(rows[0]["provenance"]["made_by"].get<std::string>(), std::string("person"));
  QCOMPARE(made.next_open(2), std::optional<std::size_t>(3));
  ACCEPTED(made.skip(3));
  QCOMPARE(made.next_open(2), std::optional<std::size_t>(4));
  QCOMPARE(made.next_open(5), std::optional<std::size_t>(0));
  ACCEPTED(made.reopen(2));
  QVERIFY(rows_of(desk.file()).empty());
}

/// Skipped ones, changed questions, makers, rows of others, and pictures that have come since.
void TestAnnotation::goes_on_where_it_was_left() {
  const Desk desk;
  {
    auto made = Annotation::begin(desk.plan(), desk.file()).take();
    AnnotationItem item = made.items()[2];
    item.question = "Whose cup?";
    item.answer = "Mine.";
    item.maker = AnswerMaker{"a/model", "an/adapter", true, nullptr};
    ACCEPTED(made.accept(2, item));
    ACCEPTED(made.skip(0));
  }
  std::ofstream(desk.file(), std::ios::app) << R"({"prompt": "by hand", "completion": "kept"})"
                                               "\n";
  fs::copy_file(desk.pictures() / "loose.webp", desk.pictures() / "a-new.png");
  auto again = Annotation::open(desk.file());
  QVERIFY2(again.ok(), again ? "" : again.error().sentence().c_str());
  QCOMPARE(again->items().size(), std::size_t{8});
  QCOMPARE(again->count(State::Done), std::size_t{1});
  QCOMPARE(again->count(State::Skipped), std::size_t{1});
  const AnnotationItem& item = again->items()[4];
  QCOMPARE(item.question, std::string("Whose cup?"));
  QCOMPARE(item.answer, std::string("Mine."));
  QVERIFY(item.maker && item.maker->edited && item.maker->adapter == "an/adapter");
  AnnotationItem first = again->items()[0];
  first.answer = "New.";
  ACCEPTED(again->accept(0, first));
  const auto rows = rows_of(desk.file());
  QCOMPARE(rows.size(), std::size_t{3});
  QCOMPARE(rows[2]["prompt"].get<std::string>(), std::string("by hand"));
  // Another one does not begin in its place.
  QVERIFY(said(Annotation::begin(desk.plan(), desk.file()).ok()
                   ? Status()
                   : Status(Annotation::begin(desk.plan(), desk.file()).error()))
              .contains("There is a file already"));
}

/// Pictures that are links, and what a person has added to a row in the file.
void TestAnnotation::rows_are_found_again_and_kept_as_they_are() {
  const Desk desk;
  fs::create_directories(desk.root() / "blobs");
  fs::rename(desk.pictures() / "loose.webp", desk.root() / "blobs/1234");
  fs::create_symlink("../blobs/1234", desk.pictures() / "loose.webp");
  AnnotationItem item;
  {
    auto made = Annotation::begin(desk.plan(), desk.file()).take();
    item = made.items()[0];
    item.answer = "Linked.";
    ACCEPTED(made.accept(0, item));
  }
  Json row = rows_of(desk.file())[0];
  row["note"] = "by hand";
  std::ofstream(desk.file()) << row.dump() << "\n";
  auto again = Annotation::open(desk.file()).take();
  QCOMPARE(again.count(State::Done), std::size_t{1});
  QCOMPARE(again.items()[0].answer, std::string("Linked."));
  item = again.items()[3];
  item.answer = "Another.";
  ACCEPTED(again.accept(3, item));
  QCOMPARE(rows_of(desk.file()).size(), std::size_t{2});
  QCOMPARE(rows_of(desk.file())[0]["note"].get<std::string>(), std::string("by hand"));
}

void TestAnnotation::training_reads_the_rows_data() {
  QTest::addColumn<int>("kind");
  QTest::addColumn<QString>("rows");
  QTest::newRow("answers") << 0 << "";
  QTest::newRow("pairs") << 1 << "preference";
  QTest::newRow("thumbs") << 2 << "unpaired";
}
void TestAnnotation::training_reads_the_rows() {
  QFETCH(int, kind);
  QFETCH(QString, rows);
  const Desk desk;
  auto made = Annotation::begin(desk.plan(static_cast<AnnotationKind>(kind)), desk.file()).take();
  AnnotationItem item = made.items()[0];
  item.answer = "Better.", item.rejected = "Worse.", item.good = false;
  ACCEPTED(made.accept(0, item));
  const auto dataset = Dataset::open({desk.file()});
  QVERIFY(dataset.ok());
  const RowKind* kind_of_row = find_row_kind(rows.toStdString());
  QCOMPARE(kind_of_row != nullptr, kind > 0);
  const auto row = kind_of_row ? kind_of_row->read((*dataset)->row(0).take(),
                                                   desk.file().parent_path(), "row 1", nullptr)
                               : (*dataset)->read(0);
  QVERIFY2(row.ok(), row ? "" : row.error().sentence().c_str());
  const ContentPart& picture = row->messages[0].content[0];
  QVERIFY(fs::equivalent(picture.image, made.items()[0].picture));
  if (kind == 1) {
    QCOMPARE(row->chosen->front().content[0].text, std::string("Better."));
    QCOMPARE(row->rejected->front().content[0].text, std::string("Worse."));
  }
  if (kind == 2) QCOMPARE(row->numbers.at("label"), 0.0);
  const auto again = Annotation::open(desk.file());
  QCOMPARE(again->items()[0].answer, std::string("Better."));
  QCOMPARE(again->items()[0].good, kind != 2);
  QCOMPARE(again->items()[0].rejected, std::string(kind == 1 ? "Worse." : ""));
}

void TestAnnotation::what_teaches_nothing_is_refused() {
  const Desk desk;
  AnnotationPlan plan = desk.plan(AnnotationKind::Pairs);
  auto made = Annotation::begin(plan, desk.file()).take();
  AnnotationItem item = made.items()[0];
  item.answer = "Same.", item.rejected = " Same. ";
  QVERIFY(said(made.accept(0, item)).contains("Both answers are the same"));
  item.rejected = "";
  QVERIFY(said(made.accept(0, item)).contains("An answer is empty"));
  item.rejected = "Other.", item.question = " ";
  QVERIFY(said(made.accept(0, item)).contains("There is no question"));
  QVERIFY(rows_of(desk.file()).empty());
  const fs::path other = desk.root() / "made/other.jsonl";
  plan.questions = {" "};
  QVERIFY(!Annotation::begin(plan, other).ok());
  plan = desk.plan();
  plan.pictures = desk.root() / "made";
  const auto none = Annotation::begin(plan, other);
  QVERIFY(!none.ok() && none.error().sentence().find("no picture") != std::string::npos);
  plan.pictures = desk.root() / "nowhere";
  QVERIFY(!Annotation::begin(plan, other).ok());
  QVERIFY(!fs::exists(other) && !fs::exists(Annotation::plan_file(other)));
}

void TestAnnotation::a_broken_plan_is_named_data() {
  QTest::addColumn<QString>("plan");
  QTest::addColumn<QString>("field");
  QTest::newRow("no JSON") << "{"
                           << "annotation.json";
  QTest::newRow("version") << R"({"format_version": 2})"
                           << "format_version";
  QTest::newRow("folder") << R"({"format_version": 1, "pictures": 3})"
                          << "pictures";
  QTest::newRow("kind") << R"({"format_version": 1, "pictures": "../pictures", "kind": "x"})"
                        << "kind";
  QTest::newRow("questions")
      << R"({"format_version": 1, "pictures": "../pictures", "kind": "pairs", "questions": [1]})"
      << "questions";
  QTest::newRow("skipped") << R"({"format_version": 1, "pictures": "../pictures", "kind": "pairs",
      "questions": ["?"], "skipped": [["a", -1]]})"
                           << "skipped";
}
void TestAnnotation::a_broken_plan_is_named() {
  QFETCH(QString, plan);
  QFETCH(QString, field);
  const Desk desk;
  fs::create_directories(desk.root() / "made");
  std::ofstream(Annotation::plan_file(desk.file())) << plan.toStdString();
  const auto opened = Annotation::open(desk.file());
  QVERIFY(!opened.ok());
  QVERIFY2(opened.error().sentence().find(field.toStdString()) != std::string::npos,
           opened.error().sentence().c_str());
}

void TestAnnotation::what_cannot_be_written_did_not_happen() {
  const Desk desk;
  auto made = Annotation::begin(desk.plan(), desk.file()).take();
  fs::remove_all(desk.root() / "made");
  std::ofstream(desk.root() / "made") << "in the way";
  AnnotationItem item = made.items()[0];
  item.answer = "Lost?";
  QVERIFY(!made.accept(0, item));
  QVERIFY(made.items()[0].state == State::Open && made.items()[0].answer.empty());
  QVERIFY(!made.skip(0));
  QCOMPARE(made.count(State::Skipped), std::size_t{0});
}

QTEST_GUILESS_MAIN(TestAnnotation)
#include "test_annotation.moc"
