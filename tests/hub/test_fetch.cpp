// SPDX-License-Identifier: GPL-3.0-or-later
// Fetching from a hub on this machine that misbehaves in every way we know of: what arrives is
// whole and checked, what was cut goes on, the token stays at home, and nothing is written outside
// the cache.
#include <atomic>
#include <cmath>
#include <thread>

#include "engine/hub/fetch.h"
#include "engine/hub/transfer.h"
#include "tests/hub/local_hub.h"
#include "tests/patience.h"

using namespace luthier;
using luthier::test::kCommit;
using luthier::test::LocalHub;

class TestFetch : public QObject {
  Q_OBJECT

 private slots:
  void lays_the_cache_as_others_do();
  void datasets_bring_their_rows();
  void goes_on_after_a_cut();
  void goes_on_by_itself();
  void a_hub_that_ignores_range();
  void a_wrong_hash_removes_the_file();
  void a_kept_part_that_was_damaged();
  void more_bytes_than_published();
  void refusals_are_sentences_data();
  void refusals_are_sentences();
  void the_token_is_used_and_stays_at_home();
  void the_token_file_counts();
  void hashes_asked_of_each_file();
  void hostile_answers_data();
  void hostile_answers();
  void cancel_keeps_what_came();
  void a_second_program_waits();
  void no_room();
  void never_without_leave();
  void names_that_are_refused();

 private:
  FetchRequest request(const QString& repository) const {
    FetchRequest asked;
    asked.repository = repository.toStdString();
    asked.hub = hub_settings();
    asked.attempts = 1;
    return asked;
  }
  Result<FetchedModel> fetch(const FetchRequest& asked) const {
    return fetch_model(asked, [](const FetchProgress&) { return true; });
  }
  QJsonArray requests() const {
    std::string answer;
    HttpRequest http;
    http.url = "http://127.0.0.1:" + std::to_string(hub_.port) + "/requests";
    http.body = [&](std::string_view piece) -> Status {
      answer.append(piece);
      return {};
    };
    if (!http_get(http)) qFatal("the hub is gone");
    return QJsonDocument::fromJson(QByteArray::fromStdString(answer)).array();
  }
  /// The last request for a file's bytes.
  QJsonObject last_request(const QString& ending) const {
    QJsonObject last;
    for (const auto& each : requests())
      if (each.toObject()["path"].toString().endsWith(ending)) last = each.toObject();
    return last;
  }
  QString folder_of(const QString& repository) const {
    return hub_.cache() + QStringLiteral("/models--") +
           QString(repository).replace('/', QLatin1String("--"));
  }
  QByteArray read(const QString& path) const {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
  }
  QStringList incomplete(const QString& repository) const {
    return QDir(folder_of(repository) + QStringLiteral("/blobs"))
        .entryList({QStringLiteral("*.incomplete")}, QDir::Files);
  }

  LocalHub hub_;
};

void TestFetch::lays_the_cache_as_others_do() {
  const QString name = QStringLiteral("org/plain");
  hub_.put_model(name);
  hub_.put(name, QStringLiteral("additional_chat_templates/tool.jinja"), "{{ x }}");
  hub_.put(name, QStringLiteral("consolidated.safetensors"), "the same again");
  std::vector<FetchProgress> seen;
  const auto fetched = fetch_model(request(name), [&](const FetchProgress& p) {
    seen.push_back(p);
    return true;
  });
  QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
  const QString folder = folder_of(name),
                snapshot = folder + QStringLiteral("/snapshots/") + QLatin1String(kCommit);
  QCOMPARE(QString::fromStdString(fetched->folder.string()), snapshot);
  QCOMPARE(read(folder + QStringLiteral("/refs/main")), QByteArray(kCommit));
  QStringList files;
  for (QDirIterator walk(snapshot, QDir::Files, QDirIterator::Subdirectories); walk.hasNext();)
    files << QDir(snapshot).relativeFilePath(walk.next());
  files.sort();
  QCOMPARE(files, (QStringList{"additional_chat_templates/tool.jinja", "config.json",
                               "model.safetensors", "preprocessor_config.json", "tokenizer.json"}));
  for (const QString& file : files) {
    const auto target = std::filesystem::read_symlink((snapshot + '/' + file).toStdString());
    QVERIFY(target.is_relative());
    QCOMPARE(read(snapshot + '/' + file), read(hub_.root + '/' + name + '/' + file));
  }
  const QByteArray weights = read(snapshot + QStringLiteral("/model.safetensors"));
  QCOMPARE(
      QString::fromStdString(
          std::filesystem::read_symlink((snapshot + "/model.safetensors").toStdString()).string()),
      QStringLiteral("../../blobs/") +
          QCryptographicHash::hash(weights, QCryptographicHash::Sha256).toHex());
  const QByteArray config = read(snapshot + QStringLiteral("/config.json"));
  QVERIFY(QFileInfo::exists(folder + QStringLiteral("/blobs/") +
                            QCryptographicHash::hash("blob " + QByteArray::number(config.size()) +
                                                         QByteArray(1, '\0') + config,
                                                     QCryptographicHash::Sha1)
                                .toHex()));
  QVERIFY(incomplete(name).isEmpty());
  QCOMPARE(seen.back().done, seen.back().total);
  QCOMPARE(seen.back().count, std::size_t(5));
  QCOMPARE(fetched->fetched_bytes + 2,
           fetched->bytes);  // two files of the same two bytes are one blob

  // Once more: nothing comes over the network, and a revision of another name leads to the same
  // snapshot.
  FetchRequest again = request(name);
  again.revision = "refs/pr/1";
  const auto second = fetch(again);
  QVERIFY(second);
  QCOMPARE(second->fetched_bytes, std::uint64_t(0));
  QCOMPARE(read(folder + QStringLiteral("/refs/refs/pr/1")), QByteArray(kCommit));
}

void TestFetch::datasets_bring_their_rows() {
  const QString name = QStringLiteral("org/rows");
  const QByteArray row = "{\"prompt\": \"a\", \"completion\": \"b\"}\n";
  hub_.put(name, QStringLiteral("train.jsonl"), row + row);
  hub_.put(name, QStringLiteral("test.jsonl"), row);
  hub_.put(name, QStringLiteral("images/a.PNG"), "a picture");
  hub_.put(name, QStringLiteral("rows.py"), "import os");
  hub_.put(name, QStringLiteral("old.pkl"), "never fetched");
  hub_.put(name, QStringLiteral("more.zip"), "never fetched");
  FetchRequest asked = request(name);
  asked.kind = HubKind::Dataset;
  const auto fetched = fetch(asked);
  QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
  const QString snapshot =
      hub_.cache() + QStringLiteral("/datasets--org--rows/snapshots/") + QLatin1String(kCommit);
  QCOMPARE(QString::fromStdString(fetched->folder.string()), snapshot);
  QStringList files;
  for (QDirIterator walk(snapshot, QDir::Files, QDirIterator::Subdirectories); walk.hasNext();)
    files << QDir(snapshot).relativeFilePath(walk.next());
  files.sort();
  QCOMPARE(files, (QStringList{"images/a.PNG", "test.jsonl", "train.jsonl"}));
  // A repository of archives and programs alone has nothing for us, and says what would.
  hub_.put(QStringLiteral("org/zipped"), QStringLiteral("data.zip"), "PK");
  asked = request(QStringLiteral("org/zipped"));
  asked.kind = HubKind::Dataset;
  const auto refused = fetch(asked);
  QVERIFY(!refused && refused.error().what.find("ZIP") != std::string::npos &&
          refused.error().hint.find("refs/convert/parquet") != std::string::npos);
}

void TestFetch::goes_on_after_a_cut() {
  const QString name = QStringLiteral("org/cut");
  hub_.put_model(name);
  hub_.set_faults(name, {{"cut", 150000}});
  const auto first = fetch(request(name));
  QVERIFY(!first);
  QCOMPARE(first.error().exit_status(), 3);
  QVERIFY2(first.error().what.find("Kept are 146.5 KiB") != std::string::npos,
           first.error().sentence().c_str());
  QVERIFY(first.error().hint.find("go on") != std::string::npos);
  QCOMPARE(incomplete(name).size(), 1);
  QVERIFY(!QFileInfo::exists(folder_of(name) +
                             QStringLiteral("/refs/main")));  // half a snapshot is nobody's main
  hub_.set_faults(name, {});
  const auto second = fetch(request(name));
  QVERIFY2(second, second ? "" : second.error().sentence().c_str());
  QCOMPARE(
      last_request(QStringLiteral("org/cut/resolve/") + kCommit + "/model.safetensors")["range"]
          .toString(),
      QStringLiteral("bytes=150000-"));
  QCOMPARE(read(QString::fromStdString((second->folder / "model.safetensors").string())),
           read(hub_.root + "/org/cut/model.safetensors"));
  QVERIFY(second->fetched_bytes < 300000);
  QVERIFY(incomplete(name).isEmpty());
}

void TestFetch::goes_on_by_itself() {
  const QString name = QStringLiteral("org/flaky");
  hub_.put_model(name);
  hub_.set_faults(name, {{"cut", 150000}});  // each attempt brings so much
  FetchRequest asked = request(name);
  asked.attempts = 3;
  const auto fetched = fetch(asked);
  QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
  QCOMPARE(read(QString::fromStdString((fetched->folder / "model.safetensors").string())),
           read(hub_.root + "/org/flaky/model.safetensors"));
}

void TestFetch::a_hub_that_ignores_range() {
  const QString name = QStringLiteral("org/norange");
  hub_.put_model(name);
  hub_.set_faults(name, {{"cut", 100000}});
  QVERIFY(!fetch(request(name)));
  hub_.set_faults(name, {{"no_range", true}});
  const auto fetched = fetch(request(name));
  QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
  QCOMPARE(read(QString::fromStdString((fetched->folder / "model.safetensors").string())),
           read(hub_.root + "/org/norange/model.safetensors"));
}

void TestFetch::a_wrong_hash_removes_the_file() {
  const QString name = QStringLiteral("org/wrong");
  hub_.put_model(name);
  hub_.set_faults(name, {{"wrong_hash", true}});
  const auto fetched = fetch(request(name));
  QVERIFY(!fetched);
  QCOMPARE(fetched.error().exit_status(), 2);
  QVERIFY(fetched.error().what.find("hash") != std::string::npos);
  QCOMPARE(fetched.error().where, std::string("model.safetensors"));
  QVERIFY(incomplete(name).isEmpty());
  QVERIFY(!QFileInfo(folder_of(name) + "/snapshots/" + kCommit + "/model.safetensors").isSymLink());
  QVERIFY(!QFileInfo::exists(folder_of(name) + QStringLiteral("/refs/main")));
}

void TestFetch::a_kept_part_that_was_damaged() {
  const QString name = QStringLiteral("org/damaged");
  hub_.put_model(name);
  hub_.set_faults(name, {{"cut", 100000}});
  QVERIFY(!fetch(request(name)));
  QFile part(folder_of(name) + "/blobs/" + incomplete(name).value(0));
  QVERIFY(part.open(QIODevice::ReadWrite) && part.seek(5000) && part.write("damage") == 6);
  part.close();
  hub_.set_faults(name, {});
  QVERIFY(!fetch(request(name)));
  QVERIFY(incomplete(name).isEmpty());
  QVERIFY(fetch(request(name)));  // from the start, and whole
}

void TestFetch::more_bytes_than_published() {
  const QString name = QStringLiteral("org/more");
  hub_.put_model(name);
  hub_.set_faults(name, {{"wrong_size", -1000}});
  const auto more = fetch(request(name));
  QVERIFY(!more);
  QVERIFY2(more.error().what.find("more than") != std::string::npos,
           more.error().sentence().c_str());
  QVERIFY(incomplete(name).isEmpty());
  hub_.set_faults(name, {{"wrong_size", 1000}});
  const auto fewer = fetch(request(name));
  QVERIFY(!fewer);
  QCOMPARE(fewer.error().exit_status(), 3);
}

void TestFetch::refusals_are_sentences_data() {
  QTest::addColumn<QJsonObject>("faults");
  QTest::addColumn<QString>("token");
  QTest::addColumn<QString>("says");
  QTest::addColumn<int>("status");
  QTest::newRow("401 without a token")
      << QJsonObject{{"token", "secret"}} << QString() << "set HF_TOKEN" << 2;
  QTest::newRow("401 with a wrong one") << QJsonObject{{"token", "secret"}} << "hf_other"
                                        << "refuses the token" << 2;
  QTest::newRow("403") << QJsonObject{{"gated", true}} << "hf_other"
                       << "Ask for access" << 2;
  QTest::newRow("404") << QJsonObject{{"status", 404}} << QString() << "no such repository" << 2;
  QTest::newRow("429") << QJsonObject{{"status", 429}} << QString() << "too often" << 3;
  QTest::newRow("503") << QJsonObject{{"status", 503}} << QString() << "fault of its own" << 3;
  QTest::newRow("to a file of this machine")
      << QJsonObject{{"downgrade", "file:///etc/passwd"}} << QString() << "not followed" << 2;
  QTest::newRow("in circles") << QJsonObject{{"downgrade",
                                              "/org/refused/resolve/0/model.safetensors"}}
                              << QString() << "circles" << 2;
}

void TestFetch::refusals_are_sentences() {
  QFETCH(QJsonObject, faults);
  QFETCH(QString, token);
  QFETCH(QString, says);
  QFETCH(int, status);
  const QString name = QStringLiteral("org/refused");
  hub_.put_model(name, 100);
  hub_.set_faults(name, faults);
  FetchRequest asked = request(name);
  asked.hub.token = token.toStdString();
  const auto fetched = fetch(asked);
  QVERIFY(!fetched);
  const QString sentence = QString::fromStdString(fetched.error().sentence());
  QVERIFY2(sentence.contains(says), qPrintable(sentence));
  QVERIFY(token.isEmpty() || !sentence.contains(token));
  QCOMPARE(fetched.error().exit_status(), status);
  QVERIFY(incomplete(name).isEmpty());
}

void TestFetch::the_token_is_used_and_stays_at_home() {
  const QString name = QStringLiteral("org/elsewhere");
  hub_.put_model(name, 1000);
  hub_.set_faults(name, {{"token", "hf_home"}, {"elsewhere", true}});
  FetchRequest asked = request(name);
  asked.hub.token = "hf_home";
  const auto fetched = fetch(asked);
  QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
  int at_home = 0, elsewhere = 0;
  for (const auto& each : requests()) {
    const QJsonObject one = each.toObject();
    if (!one["path"].toString().contains(name)) continue;
    if (one["port"].toInt() == hub_.other_port) {
      ++elsewhere;
      QVERIFY2(one["token"].isNull(), "the token went to another host");
    } else {
      ++at_home;
      QVERIFY2(one["token"].toString() == QLatin1String("Bearer hf_home"),
               QJsonDocument(one).toJson().constData());
    }
  }
  QVERIFY(at_home >= 4);
  QCOMPARE(elsewhere, 1);

  // Another name of the same machine on the same port is another host, too.
  const QString alias = QStringLiteral("org/alias");
  hub_.put_model(alias, 1000);
  hub_.set_faults(
      alias,
      {{"downgrade",
        QStringLiteral("http://127.0.0.1:%1/store/org/alias/model.safetensors").arg(hub_.port)}});
  asked.repository = alias.toStdString();
  QVERIFY(fetch(asked));
  QVERIFY(last_request(QStringLiteral("/store/org/alias/model.safetensors"))["token"].isNull());
  QCOMPARE(
      last_request(QStringLiteral("org/alias/resolve/") + kCommit + "/model.safetensors")["token"]
          .toString(),
      QStringLiteral("Bearer hf_home"));
}

void TestFetch::the_token_file_counts() {
  QDir().mkpath(hub_.folder.filePath(QStringLiteral("home")));
  QFile file(hub_.folder.filePath(QStringLiteral("home/token")));
  QVERIFY(file.open(QIODevice::WriteOnly) && file.write("hf_file\n") > 0);
  file.close();
  QCOMPARE(hub_settings().token, std::string("hf_file"));
  qputenv("HF_TOKEN", "hf_variable");
  QCOMPARE(hub_settings().token, std::string("hf_variable"));
  qputenv("HF_TOKEN", "two\r\nlines: x");
  QCOMPARE(hub_settings().token,
           std::string("hf_file"));  // nothing that could add a line to a request
  qunsetenv("HF_TOKEN");
  QVERIFY(file.remove());
  QCOMPARE(hub_settings().token, std::string());
}

void TestFetch::hashes_asked_of_each_file() {
  const QString name = QStringLiteral("org/bare");
  hub_.put_model(name, 1000);
  for (const QJsonObject& faults :
       {QJsonObject{{"bare", true}, {"elsewhere", true}}, QJsonObject{{"bare", true}}}) {
    QDir(folder_of(name)).removeRecursively();
    hub_.set_faults(name, faults);
    const auto fetched = fetch(request(name));
    QVERIFY2(fetched, fetched ? "" : fetched.error().sentence().c_str());
    QCOMPARE(read(QString::fromStdString((fetched->folder / "model.safetensors").string())),
             read(hub_.root + "/org/bare/model.safetensors"));
  }
}

void TestFetch::hostile_answers_data() {
  QTest::addColumn<QJsonObject>("faults");
  QTest::newRow("upwards") << QJsonObject{{"names", QJsonArray{"../../../evil.json"}}};
  QTest::newRow("upwards within") << QJsonObject{{"names", QJsonArray{"a/../../evil.json"}}};
  QTest::newRow("absolute") << QJsonObject{{"names", QJsonArray{"/tmp/evil.json"}}};
  QTest::newRow("empty") << QJsonObject{{"names", QJsonArray{""}}};
  QTest::newRow("backslash") << QJsonObject{{"names", QJsonArray{"..\\evil.json"}}};
  QTest::newRow("control") << QJsonObject{{"names", QJsonArray{"a\nb.json"}}};
  QTest::newRow("long") << QJsonObject{{"names", QJsonArray{QString(3000, 'a') + ".json"}}};
  QTest::newRow("twice") << QJsonObject{{"names", QJsonArray{"config.json"}}};
  QTest::newRow("file and folder") << QJsonObject{{"names", QJsonArray{"config.json/x.json"}}};
  QTest::newRow("huge") << QJsonObject{{"huge_answer", 65 << 20}};
  for (const char* answer :
       {"", "[]", "{}", "not json", "{\"sha\": \"../..\", \"siblings\": []}",
        "{\"sha\": 5, \"siblings\": []}", "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\"}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [5]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": "
        "\"model.safetensors\", \"size\": -1}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": "
        "\"model.safetensors\", \"size\": 1e30}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": "
        "\"model.safetensors\", \"size\": 10, \"lfs\": {\"sha256\": \"../x\", \"size\": 10}}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": "
        "\"config.json\", \"size\": 99999999999999, \"blobId\": "
        "\"0000000000000000000000000000000000000000\"}]}",
        "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": "
        "\"pytorch_model.bin\", \"size\": 9}]}"})
    QTest::newRow(answer) << QJsonObject{{"raw_answer", answer}};
}

void TestFetch::hostile_answers() {
  QFETCH(QJsonObject, faults);
  const QString name = QStringLiteral("org/hostile");
  hub_.put_model(name, 100);
  hub_.set_faults(name, faults);
  const auto fetched = fetch(request(name));
  QVERIFY(!fetched);
  QCOMPARE(fetched.error().exit_status(), 2);
  QVERIFY(fetched.error().what.size() < 1000 && !fetched.error().what.empty());
  QVERIFY(!QFileInfo::exists(folder_of(name)));  // refused before anything is written
}

void TestFetch::cancel_keeps_what_came() {
  const QString name = QStringLiteral("org/slow");
  hub_.put_model(name);
  hub_.set_faults(name, {{"slow", 200000}});
  int told_after = 0;
  bool asked = false;
  double speed = 0;
  const auto fetched = fetch_model(request(name), [&](const FetchProgress& p) {
    if (asked) ++told_after;
    if (asked || p.stage != FetchStage::Fetching || p.done < 100000) return !asked;
    speed = p.bytes_per_second;
    asked = true;
    return false;
  });
  QVERIFY(!fetched);
  QCOMPARE(fetched.error().exit_status(), 130);
  QVERIFY2(fetched.error().what.find("Kept are") != std::string::npos,
           fetched.error().sentence().c_str());
  QVERIFY2(told_after <= 2, qPrintable(QString::number(told_after)));  // it does not go on
  QVERIFY2(speed > 0 && std::isfinite(speed), qPrintable(QString::number(speed)));
  QCOMPARE(incomplete(name).size(), 1);
  hub_.set_faults(name, {});
  const auto second = fetch(request(name));
  QVERIFY(second);
  QVERIFY(second->fetched_bytes < 310000);
}

void TestFetch::a_second_program_waits() {
  const QString name = QStringLiteral("org/shared");
  hub_.put_model(name);
  hub_.set_faults(name, {{"slow", 400000}});
  // The first stands still in the middle until the second waits for it.
  bool first_done = false;
  std::atomic<bool> begun = false, waited = false, over = false;
  std::thread first([&] {
    const auto fetched = fetch_model(request(name), [&](const FetchProgress& p) {
      if (p.stage != FetchStage::Fetching || p.done == 0) return true;
      begun = true;
      while (!waited && !over) std::this_thread::yield();
      return true;
    });
    first_done = fetched.ok();
  });
  const bool in_time = luthier::test::wait_for([&] { return begun.load(); });
  const auto second = fetch_model(request(name), [&](const FetchProgress& p) {
    if (p.stage == FetchStage::Waiting) waited = true;
    return true;
  });
  over = true;
  first.join();
  QVERIFY(in_time && first_done);
  QVERIFY2(second, second ? "" : second.error().sentence().c_str());
  QVERIFY(waited);
  QCOMPARE(second->fetched_bytes, std::uint64_t(0));
}

void TestFetch::no_room() {
  const QString name = QStringLiteral("org/large");
  hub_.put_model(name, 100);
  hub_.set_faults(name, {{"wrong_size", double(1ull << 49)}});
  const auto fetched = fetch(request(name));
  QVERIFY(!fetched);
  QCOMPARE(fetched.error().exit_status(), 3);
  QVERIFY2(fetched.error().what.find("not enough room") != std::string::npos,
           fetched.error().sentence().c_str());
}

void TestFetch::never_without_leave() {
  qputenv("HF_HUB_OFFLINE", "1");
  const int before = requests().size();
  QVERIFY(!fetch(request(QStringLiteral("org/plain"))));
  qunsetenv("HF_HUB_OFFLINE");
  QCOMPARE(requests().size(), before);
  FetchRequest nowhere = request(QStringLiteral("org/plain"));
  nowhere.hub.endpoint = "http://127.0.0.1:1";
  const auto unreachable = fetch(nowhere);
  QVERIFY(!unreachable);
  QCOMPARE(unreachable.error().exit_status(), 3);
  for (const char* endpoint :
       {"ftp://x", "file:///etc", "localhost", "http://user:pass@host", ""}) {
    nowhere.hub.endpoint = endpoint;
    const auto refused = fetch(nowhere);
    QVERIFY2(!refused && refused.error().exit_status() == 2, endpoint);
  }
}

void TestFetch::names_that_are_refused() {
  for (const char* id :
       {"", "/", "a/", "/a", "a/b/c", "../x", "a/..", "a b", "https://huggingface.co/a/b", "a--b/c",
        "a/b?x", "a/b#", "-a/b", "a/.b", "a/b\n"})
    QVERIFY2(!check_repository(id), id);
  for (const char* id : {"a/b", "gpt2", "llava-hf/llava-1.5-7b-hf", "Qwen/Qwen2.5-VL-3B-Instruct"})
    QVERIFY2(check_repository(id), id);
  for (const char* revision : {"", "../main", "/x", "a//b", "a\\b"})
    QVERIFY2(!check_revision(revision), revision);
  for (const char* revision : {"main", "refs/pr/1", "v1.0", kCommit})
    QVERIFY2(check_revision(revision), revision);
}

QTEST_GUILESS_MAIN(TestFetch)
#include "test_fetch.moc"
