// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with films: every way of writing them becomes the same parts; a film's tokens stand where
// the template put its mark; and films that are missing, broken or no films name row and film.
#include "tests/data/chat_fixture.h"

#include <QTemporaryDir>
#include <fstream>

#include "engine/data/dataset.h"
#include "engine/data/film_strip.h"
#include "engine/data/row_kind.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

constexpr TokenId kFilmToken = 334;

std::string outline(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    text += (text.empty() ? "" : " ") + message.role + "[";
    std::string separator;
    for (const ContentPart& part : message.content) {
      text += separator;
      separator = "|";
      if (part.kind == ContentPart::Kind::Text) text += "text:" + part.text;
      if (part.kind == ContentPart::Kind::Image) text += "image:" + part.image.string();
      if (part.kind != ContentPart::Kind::Film) continue;
      text += "film:" + part.film.path.string();
      for (const fs::path& picture : part.film.pictures) text += " " + picture.string();
      if (part.film.fps) text += " at " + std::to_string(*part.film.fps).substr(0, 4);
    }
    text += "]";
  }
  return text;
}

Result<Conversation> read(const std::string& row, RowFault* fault = nullptr) {
  return read_conversation(Json::parse(row), "d", "rows.jsonl: row 3", fault);
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void write_frame(const fs::path& path, int width, int height) {
  Image image{width, height, {}};
  for (int i = 0; i < 3 * width * height; ++i)
    image.rgb.push_back(static_cast<std::uint8_t>(i * 7 % 256));
  const auto bytes = encode_png(image);
  QVERIFY(bytes.ok());
  write_text(path, {bytes->begin(), bytes->end()});
}

/// The data room's folder with a token for films and a video processor.
class Folder {
 public:
  Folder() {
    fs::copy(data_room() / "chatml", path() / "model");
    Json tokenizer = *read_json_file(path() / "model/tokenizer.json");
    Json token = tokenizer["added_tokens"].back();
    token["id"] = kFilmToken, token["content"] = "<film>";
    tokenizer["added_tokens"].push_back(token);
    write_text(path() / "model/tokenizer.json", tokenizer.dump());
    set_template("<film>");
    set_video_processor({{"video_processor_type", "Qwen2VLVideoProcessor"},
                         {"patch_size", 4},
                         {"size", {{"shortest_edge", 64}, {"longest_edge", 4096}}}});
    for (const char* name : {"walk", "empty", "uneven", "cut"}) fs::create_directory(path() / name);
    for (int frame = 1; frame <= 3; ++frame)
      write_frame(path() / "walk" / (std::to_string(frame) + ".png"), 16, 8);
    write_frame(path() / "uneven/1.png", 16, 8);
    write_frame(path() / "uneven/2.png", 8, 16);
    fs::copy(path() / "walk/1.png", path() / "cut/1.png");
    std::string half;
    std::getline(std::ifstream(path() / "walk/2.png", std::ios::binary), half, '\0');
    write_text(path() / "cut/2.png", half);
  }
  fs::path path() const { return folder_.path().toStdString(); }
  void set_template(const std::string& mark) const {
    write_text(path() / "model/chat_template.jinja",
               "{%- for m in messages %}{%- for p in m['content'] %}"
               "{%- if p['type'] == 'image' %}{{- '<image>' }}"
               "{%- elif p['type'] == 'video' %}{{- '" +
                   mark +
                   "' }}{%- else %}{{- p['text'] }}{%- endif %}{%- endfor %}"
                   "{{- '<|im_end|>' }}{%- endfor %}");
  }
  void set_video_processor(const Json& settings) const {
    Json config = *read_json_file(path() / "model/processor_config.json");
    config["video_processor"] = settings;
    write_text(path() / "model/processor_config.json", config.dump());
  }
  Result<std::shared_ptr<const ChatProcessor>> processor() const {
    ImageTokens tokens;
    tokens.films =
        FilmTokens{"<film>", kFilmToken, "Qwen2VLVideoProcessor", [](const PixelValues& film) {
                     std::string text;
                     for (std::int64_t i = film.shape[0] / 4; i > 0; --i) text += "<film>";
                     return text;
                   }};
    return ChatProcessor::load(path() / "model",
                               ChatProcessor::Pictures{tokens, 333, {"LlavaImageProcessor"}});
  }
  Result<Conversation> row(const std::string& user, const std::string& more = {}) const {
    return read_conversation(
        Json::parse(R"({"messages": [{"role": "user", "content": ")" + user +
                    R"("}, {"role": "assistant", "content": "Me."}])" + more + "}"),
        path(), "row 3");
  }

 private:
  QTemporaryDir folder_;
};

std::string said(const auto& result) { return result.ok() ? "" : result.error().sentence(); }

}  // namespace

class TestFilmRows : public QObject {
  Q_OBJECT

 private slots:
  void formats_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("expected");
    const auto typed = [](const char* part) {
      return QString(R"({"messages": [{"role": "user", "content": [%1,
          {"type": "text", "text": "Who?"}]}, {"role": "assistant", "content": "Me."}]})")
          .arg(part);
    };
    const auto plain = [](const char* user, const char* more) {
      return QString(R"({"messages": [{"role": "user", "content": "%1"},
          {"role": "assistant", "content": "Me."}], %2})")
          .arg(user, more);
    };
    const QString one = "user[film:d/walk|text:Who?] assistant[text:Me.]",
                  listed = "user[film: d/a.png d/b.png|text:Who?] assistant[text:Me.]",
                  timed = "user[film:d/walk at 12.5|text:Who?] assistant[text:Me.]";
    QTest::newRow("part") << typed(R"({"type": "video", "video": "walk"})") << one;
    QTest::newRow("part by path") << typed(R"({"type": "video", "path": "walk"})") << one;
    QTest::newRow("part of frames")
        << typed(R"({"type": "video", "video": ["a.png", "b.png"]})") << listed;
    QTest::newRow("part of an address")
        << typed(R"({"type": "video_url", "video_url": {"url": "file:walk"}})")
               .replace("file:walk", "walk")
        << one;
    QTest::newRow("fps") << typed(R"({"type": "video", "video": {"path": "walk", "fps": 12.5}})")
                         << timed;
    QTest::newRow("place and column")
        << QString(R"({"messages": [{"role": "user", "content": [{"type": "video"},
            {"type": "text", "text": "Who?"}]}, {"role": "assistant", "content": "Me."}],
            "videos": ["walk"]})")
        << one;
    QTest::newRow("mark") << plain("<video>Who?", R"("videos": ["walk"])") << one;
    QTest::newRow("no mark") << plain("Who?", R"("video": "walk")") << one;
    QTest::newRow("frames in a column")
        << plain("Who?", R"("videos": [["a.png", "b.png"]])") << listed;
    QTest::newRow("frames of the only film")
        << plain("Who?", R"("video": ["a.png", "b.png"])") << listed;
    QTest::newRow("object") << plain("Who?", R"("videos": [{"path": "walk", "fps": 12.5}])")
                            << timed;
    QTest::newRow("beside the message")
        << QString(R"({"messages": [{"role": "user", "content": "<video>Who?",
            "videos": ["walk"]}, {"role": "assistant", "content": "Me."}]})")
        << one;
    QTest::newRow("pictures first")
        << plain("Who?", R"("videos": ["walk"], "images": ["a.png"])")
        << "user[image:d/a.png|film:d/walk|text:Who?] assistant[text:Me.]";
    QTest::newRow("marks of both")
        << plain("<video>then <image> Who?<video>",
                 R"("videos": ["walk", "run"], "image": "a.png")")
        << "user[film:d/walk|text:then |image:d/a.png|text: Who?|film:d/run] assistant[text:Me.]";
    QTest::newRow("pictures of the message, films of the row")
        << QString(R"({"messages": [{"role": "user", "content": "Who? <video>",
            "images": ["a.png"]}, {"role": "assistant", "content": "Me."}], "videos": ["walk"]})")
        << "user[image:d/a.png|text:Who? |film:d/walk] assistant[text:Me.]";
    QTest::newRow("a file") << plain("Who?", R"("videos": ["a.mp4"])")
                            << "user[film:d/a.mp4|text:Who?] assistant[text:Me.]";
  }
  void formats() {
    QFETCH(QString, row);
    QFETCH(QString, expected);
    const auto conversation = read(row.toStdString());
    QVERIFY2(conversation.ok(), said(conversation).c_str());
    QCOMPARE(QString::fromStdString(outline(conversation->messages)), expected);
  }

  void whatIsNoFilmIsNamed_data() {
    QTest::addColumn<QString>("value");
    QTest::addColumn<QString>("part");
    QTest::addColumn<int>("kind");
    const auto add = [](const char* value, const char* part, RowFault kind = RowFault::BadRow) {
      QTest::newRow(value) << value << part << static_cast<int>(kind);
    };
    add(R"("video": "a.png")", "a film was expected");
    add(R"("videos": ["a.png", "b.png"])", "videos[0]");
    add(R"("videos": [[]])", "has no frames");
    add(R"("videos": [7])", "by its path or by its frames");
    add(R"("videos": ["http:..x"])", "addresses");
    add(R"("video": "a.mp3")", "MP3", RowFault::UnsupportedMedia);
    add(R"("video": {"path": "walk", "fps": 0})", "video.fps");
    add(R"("video": {"path": "walk", "fps": "2"})", "video.fps");
    add(R"("video": {"path": "walk", "nframes": 4})", "nframes");
    add(R"("video": ["walk", "a.png"])", "video[1]");
    add(R"("videos": ["walk"], "images": ["a.mp4"])", "a picture was expected");
    add(R"("audio": "a.wav")", "sound", RowFault::UnsupportedMedia);
  }
  void whatIsNoFilmIsNamed() {
    QFETCH(QString, value);
    QFETCH(QString, part);
    QFETCH(int, kind);
    RowFault fault = RowFault::Template;
    const auto row = read(QString(R"({"prompt": "Who?", "completion": "Me.", %1})")
                              .arg(value.replace("..", QString(2, '/')))
                              .toStdString(),
                          &fault);
    QVERIFY(!row.ok());
    QVERIFY2(QString::fromStdString(said(row)).contains(part), said(row).c_str());
    QVERIFY(said(row).find("row 3") != std::string::npos);
    QCOMPARE(static_cast<int>(fault), kind);
  }

  void eachMediumHasItsMarks() {
    const auto fault_of = [](const std::string& user, const std::string& more) {
      RowFault fault = RowFault::BadRow;
      const auto row =
          read(R"({"prompt": ")" + user + R"(", "completion": "Me.")" + more + "}", &fault);
      return std::string(row_fault_name(fault)) + ": " + said(row);
    };
    QVERIFY(fault_of("<video>", "").find("image_marks") == 0);
    QVERIFY(fault_of("<video>", "").find("1 <video> mark, but the row has 0 films") !=
            std::string::npos);
    QVERIFY(fault_of("<video>", R"(, "images": ["a.png"])").find("0 films") != std::string::npos);
    QVERIFY(fault_of("<video><video>", R"(, "video": "walk")").find("2 <video> marks") !=
            std::string::npos);
    const auto fps = read(R"({"messages": [{"role": "user", "content": [
        {"type": "video", "video": "walk", "fps": 2}]}]})");
    QVERIFY(said(fps).find("content[0].fps") != std::string::npos);
    const auto kept = read(R"({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "The <video> tag."}]}]})");
    QVERIFY2(kept.ok(), said(kept).c_str());
  }

  void tokensStandWhereTheMarkWas() {
    const Folder folder;
    const auto processor = folder.processor();
    QVERIFY2(processor.ok(), said(processor).c_str());
    fs::copy(data_room() / "a.png", folder.path() / "a.png");
    const auto row = folder.row("Who <video> is <image>?",
                                R"(, "videos": [{"path": "walk", "fps": 2}], "image": "a.png")");
    QVERIFY2(row.ok(), said(row).c_str());
    const auto example = (*processor)->encode_training(*row, LossOn::All, 0, "row 3");
    QVERIFY2(example.ok(), said(example).c_str());
    // 3 frames of 16 × 8 are 2 steps of 2 × 4 patches, of which 4 are a token
    QCOMPARE(std::count(example->input_ids.begin(), example->input_ids.end(), kFilmToken), 4);
    QCOMPARE(std::count(example->labels.begin(), example->labels.end(), kFilmToken), 0);
    QCOMPARE(example->images.size(), std::size_t{2});
    const PixelValues& film = example->images[0];
    QCOMPARE(film.grid, (std::vector<std::int64_t>{2, 2, 4}));
    QVERIFY(film.film && !example->images[1].film);
    QCOMPARE(film.film->step, 1.0);
    QCOMPARE(film.film->middles, (std::vector<double>{0.25, 1.0}));
    const auto measured = (*processor)->measure_training(*row, LossOn::All, 0, "row 3");
    QVERIFY2(measured.ok(), said(measured).c_str());
    QVERIFY(measured->input_ids == example->input_ids);
    QVERIFY(measured->images[0].values.empty() && measured->images[0].shape == film.shape);
    QVERIFY(measured->images[0].film->middles == film.film->middles);
    QVERIFY((*processor)->shows(kFilmToken) && (*processor)->shows(333));
    QVERIFY(!(*processor)->shows(332));
    RowFault fault = RowFault::Template;
    QVERIFY(said((*processor)->encode_training(*row, LossOn::All, 4, "row 3", &fault))
                .find("cut inside the pictures") != std::string::npos);
  }

  void aTemplateThatLosesFilmsIsNamed() {
    const Folder folder;
    folder.set_template("");
    const auto row = folder.row("Who?", R"(, "videos": ["walk"])");
    const auto error = [&] {
      const auto processor = folder.processor();
      return said((*processor)->encode_prompt(*row, "row 3"));
    };
    QVERIFY2(error().find("wrote 0 of the marks <film> for 1 film.") != std::string::npos,
             error().c_str());
    folder.set_template("<film><film>");
    QVERIFY2(error().find("more than 1 of the marks <film>") != std::string::npos, error().c_str());
    folder.set_template("<image>");
    QVERIFY2(error().find("another order") != std::string::npos, error().c_str());
    folder.set_template("<film>");
    QCOMPARE(error(), std::string());
    const auto written = folder.row("What is <film>?");
    QVERIFY(said((*folder.processor())->encode_prompt(*written, "row 3")).find("mark for a film") !=
            std::string::npos);
  }

  void faultsNameRowAndFilm_data() {
    QTest::addColumn<QString>("film");
    QTest::addColumn<QString>("finding");
    QTest::addColumn<QString>("part");
    QTest::newRow("missing") << "none"
                             << "missing_film"
                             << "none: The film is missing";
    QTest::newRow("empty") << "empty"
                           << "broken_film"
                           << "has no pictures";
    QTest::newRow("uneven") << "uneven"
                            << "broken_film"
                            << "2.png";
    QTest::newRow("cut") << "cut"
                         << "broken_film"
                         << "2.png";
    QTest::newRow("whole") << "walk"
                           << ""
                           << "";
  }
  void faultsNameRowAndFilm() {
    QFETCH(QString, film);
    QFETCH(QString, finding);
    QFETCH(QString, part);
    const Folder folder;
    const Json row = {{"prompt", "Who?"}, {"completion", "Me."}, {"video", film.toStdString()}};
    write_text(folder.path() / "t.jsonl", row.dump() + "\n");
    const auto dataset = Dataset::open({folder.path() / "t.jsonl"});
    const auto processor = folder.processor();
    const auto report = check_dataset(**dataset, **processor, LossOn::Completion, 0);
    QVERIFY(report.ok());
    QCOMPARE(report->usable, std::size_t{finding.isEmpty()});
    QCOMPARE(report->findings.size(), std::size_t{!finding.isEmpty()});
    if (finding.isEmpty()) return;
    QCOMPARE(QString::fromStdString(report->findings[0].kind), finding);
    const QString message = QString::fromStdString(report->findings[0].message);
    QVERIFY2(message.contains("t.jsonl: row 1") && message.contains(part), qPrintable(message));
  }

  void stripsShowSomeFrames() {
    const Folder folder;
    const auto strip = film_strip({folder.path() / "walk", {}, {}}, 8, 8);
    QVERIFY2(strip.ok(), said(strip).c_str());
    QCOMPARE(strip->width, 3 * 8 + 2 * 2);
    QCOMPARE(strip->height, 4);
    QCOMPARE(strip->rgb.size(), std::size_t{3 * 28 * 4});
    const auto one = film_strip({{}, {folder.path() / "walk/2.png"}, {}}, 1, 4);
    QVERIFY(one.ok() && one->width == 4 && one->height == 2);
    QVERIFY(!film_strip({folder.path() / "none", {}, {}}, 8, 8).ok());
    QVERIFY(!film_strip({folder.path() / "empty", {}, {}}, 8, 8).ok());
    QVERIFY(!film_strip({folder.path() / "uneven", {}, {}}, 8, 8).ok());
  }

  void aFolderWithoutAVideoProcessorTakesPictures() {
    const Folder folder;
    fs::copy(data_room() / "a.png", folder.path() / "a.png");
    folder.set_video_processor({{"video_processor_type", "Unheard"}});
    const auto processor = folder.processor();
    QVERIFY2(processor.ok(), said(processor).c_str());
    const auto shown = folder.row("Who?", R"(, "image": "a.png")");
    QVERIFY((*processor)->encode_prompt(*shown, "row 3").ok());
    const auto played = folder.row("Who?", R"(, "video": "walk")");
    QVERIFY(said((*processor)->encode_prompt(*played, "row 3")).find("Unheard") !=
            std::string::npos);
    const auto none = load_chat(data_room() / "chatml");
    QVERIFY(said((*none)->encode_prompt(*played, "row 3")).find("films are not trained on") !=
            std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestFilmRows)
#include "test_film_rows.moc"
