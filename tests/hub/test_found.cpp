// SPDX-License-Identifier: GPL-3.0-or-later
// Listing what is on the machine: the cache as huggingface_hub lays it, folders, and every reason
// not to load; and folders made to harm.
#include <sys/stat.h>
#include <unistd.h>

#include "engine/hub/found.h"
#include "tests/hub/local_hub.h"
#include "tests/patience.h"

using namespace luthier;
using luthier::test::LocalHub;
namespace fs = std::filesystem;

class TestFound : public QObject {
  Q_OBJECT

 private slots:
  void init();
  void the_environment_says_where();
  void a_cache_with_refs_and_links();
  void an_unfinished_fetch();
  void reasons_data();
  void reasons();
  void a_model_of_pictures_alone_needs_no_tokenizer();
  void most_weights_say_the_dtype();
  void links_are_not_followed_out();
  void a_shared_store_of_blobs();
  void hostile_folders();
  void folders_one_level_down();
  void many_are_listed_fast();

 private:
  fs::path root() const { return folder_->path().toStdString(); }
  void put(const fs::path& path, const QByteArray& bytes) const {
    fs::create_directories(path.parent_path());
    QFile file(QString::fromStdString(path.string()));
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
      qFatal("cannot write");
  }
  /// A whole small checkpoint.
  void put_model(const fs::path& folder, const QByteArray& type = "llava") const {
    put(folder / "config.json", "{\"model_type\": \"" + type + "\"}");
    put(folder / "tokenizer.json", "{}");
    put(folder / "preprocessor_config.json", "{}");
    put(folder / "model.safetensors", weights_);
  }
  /// A repository's file as the cache has it: a blob and a relative link.
  void put_blob(const fs::path& repository, const std::string& commit, const std::string& name,
                const QByteArray& bytes) const {
    const std::string hash = QCryptographicHash::hash(bytes + QByteArray::fromStdString(name),
                                                      QCryptographicHash::Sha256)
                                 .toHex()
                                 .toStdString();
    put(repository / "blobs" / hash, bytes);
    fs::create_directories(repository / "snapshots" / commit);
    fs::create_symlink("../../blobs/" + hash, repository / "snapshots" / commit / name);
  }
  void put_repository(const std::string& name, const std::string& commit,
                      const QByteArray& type = "llava") const {
    const fs::path repository = root() / "hub" / name;
    put_blob(repository, commit, "config.json", "{\"model_type\": \"" + type + "\"}");
    put_blob(repository, commit, "tokenizer.json", "{}");
    put_blob(repository, commit, "preprocessor_config.json", "{}");
    put_blob(repository, commit, "model.safetensors", weights_);
    put(repository / "refs" / "main", QByteArray::fromStdString(commit));
  }
  std::vector<FoundModel> find(const std::vector<fs::path>& folders = {}) const {
    return find_models(root() / "hub", folders, {"llava", "qwen2_vl"});
  }

  std::unique_ptr<QTemporaryDir> folder_;
  const QByteArray weights_ = LocalHub::weights(1000);
  const std::string commit_ = std::string(40, 'a');
};

void TestFound::init() { folder_ = std::make_unique<QTemporaryDir>(); }

void TestFound::the_environment_says_where() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME",
                           "HF_ENDPOINT", "HF_TOKEN"})
    qunsetenv(name);
  qputenv("HOME", "/home/somebody");
  QCOMPARE(hub_settings().cache, fs::path("/home/somebody/.cache/huggingface/hub"));
  QCOMPARE(hub_settings().endpoint, std::string("https://huggingface.co"));
  qputenv("XDG_CACHE_HOME", "/xdg");
  QCOMPARE(hub_settings().cache, fs::path("/xdg/huggingface/hub"));
  qputenv("HF_HOME", "~/hf");
  QCOMPARE(hub_settings().cache, fs::path("/home/somebody/hf/hub"));
  qputenv("HF_HUB_CACHE", "/large/disk");
  qputenv("HF_ENDPOINT", "https://mirror.example/");
  QCOMPARE(hub_settings().cache, fs::path("/large/disk"));
  QCOMPARE(hub_settings().endpoint, std::string("https://mirror.example"));
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_ENDPOINT"})
    qunsetenv(name);
  QCOMPARE(hub_folder_name("org/name"), std::string("models--org--name"));
  QCOMPARE(hub_repository_name("models--org--name"), std::string("org/name"));
  QCOMPARE(hub_repository_name("datasets--org--name"), std::string());
}

void TestFound::a_cache_with_refs_and_links() {
  put_repository("models--org--b-good", commit_);
  put_repository("models--org--a-other", commit_, "whisper");
  put_repository("models--single", commit_);
  put_repository("models--org--two", commit_);
  put_blob(root() / "hub/models--org--two", std::string(40, 'b'), "config.json",
           "{\"model_type\": \"llava\"}");  // an older one that no ref leads to
  put(root() / "hub/models--org--two/refs/refs/pr/1", QByteArray::fromStdString(commit_));
  put(root() / "hub/datasets--org--data/refs/main", "x");
  put(root() / "hub/version.txt", "1");
  const auto models = find();
  QCOMPARE(models.size(), std::size_t(4));
  QCOMPARE(models[0].repository, std::string("org/b-good"));
  QCOMPARE(models[0].place, FoundIn::HubCache);
  QCOMPARE(models[0].folder,
           fs::weakly_canonical(root()) / "hub/models--org--b-good/snapshots" / commit_);
  QCOMPARE(models[0].revision, std::string("main"));
  QCOMPARE(models[0].model_type, std::string("llava"));
  QCOMPARE(models[0].dtype, std::string("F32"));
  QCOMPARE(models[0].bytes, static_cast<std::uint64_t>(weights_.size()));
  QVERIFY2(models[0].loadable, models[0].why_not.c_str());
  QCOMPARE(models[1].repository, std::string("org/two"));
  QCOMPARE(models[1].revision, std::string("main, refs/pr/1"));
  QCOMPARE(models[2].repository, std::string("single"));
  QCOMPARE(models[3].repository, std::string("org/a-other"));  // last: it cannot be loaded
  QVERIFY(!models[3].loadable);
  QCOMPARE(models[3].bytes, static_cast<std::uint64_t>(weights_.size()));
  QVERIFY(models[3].why_not.find("whisper") != std::string::npos &&
          models[3].why_not.find("qwen2_vl") != std::string::npos);
}

void TestFound::an_unfinished_fetch() {
  const fs::path repository = root() / "hub/models--org--part";
  put_blob(repository, commit_, "config.json", "{\"model_type\": \"llava\"}");
  put(repository / "blobs" / (std::string(64, 'c') + ".incomplete"), "some");
  const auto models = find();
  QCOMPARE(models.size(), std::size_t(1));
  QVERIFY(models[0].unfinished && !models[0].loadable);
  QVERIFY(models[0].why_not.find("not finished") != std::string::npos);
}

void TestFound::reasons_data() {
  QTest::addColumn<QString>("file");
  QTest::addColumn<QByteArray>("bytes");  // null: the file is removed
  QTest::addColumn<QString>("says");
  QTest::newRow("whole") << "extra.txt" << QByteArray("x") << QString();
  QTest::newRow("unknown family") << "config.json" << QByteArray("{\"model_type\": \"bert\"}")
                                  << "\"bert\"";
  QTest::newRow("no type") << "config.json" << QByteArray("{}") << "model_type";
  QTest::newRow("broken config") << "config.json" << QByteArray("{\"model_type\": ") << "JSON";
  QTest::newRow("list for a config") << "config.json" << QByteArray("[]") << "object";
  QTest::newRow("endless config") << "config.json" << QByteArray(17 << 20, ' ') << "larger";
  QTest::newRow("deep config") << "config.json" << QByteArray(100000, '[') << "config.json";
  QTest::newRow("no config") << "config.json" << QByteArray() << "no config.json";
  QTest::newRow("no tokenizer") << "tokenizer.json" << QByteArray() << "no tokenizer";
  QTest::newRow("no processor") << "preprocessor_config.json" << QByteArray()
                                << "no picture processor";
  QTest::newRow("no weights") << "model.safetensors" << QByteArray() << "no weights";
  QTest::newRow("cut weights") << "model.safetensors" << weights_.left(2000) << "cut off";
  QTest::newRow("hostile weights")
      << "model.safetensors" << QByteArray("\xff\xff\xff\xff\xff\xff\xff\x7f{}") << "header";
}

void TestFound::reasons() {
  QFETCH(QString, file);
  QFETCH(QByteArray, bytes);
  QFETCH(QString, says);
  const fs::path folder = root() / "model";
  put_model(folder);
  if (bytes.isNull())
    fs::remove(folder / file.toStdString());
  else
    put(folder / file.toStdString(), bytes);
  const FoundModel found = inspect_model(folder, {"llava"});
  QCOMPARE(found.loadable, says.isEmpty());
  QVERIFY2(QString::fromStdString(found.why_not).contains(says), found.why_not.c_str());
  QVERIFY(found.bytes > 0);
  // Only pickles, a missing shard, an adapter: each its own sentence.
  if (file != QLatin1String("model.safetensors") || !bytes.isNull()) return;
  put(folder / "pytorch_model.bin", "x");
  QVERIFY(inspect_model(folder, {"llava"}).why_not.find("pickle") != std::string::npos);
  put(folder / "model.safetensors.index.json",
      "{\"weight_map\": {\"w\": \"model-00001-of-00002.safetensors\"}}");
  QVERIFY(inspect_model(folder, {"llava"}).why_not.find("shard is missing") != std::string::npos);
  put(folder / "model.safetensors.index.json",
      "{\"weight_map\": {\"w\": \"../../secret.safetensors\"}}");
  QVERIFY(!inspect_model(folder, {"llava"}).loadable);
  fs::remove(folder / "config.json");
  put(folder / "adapter_config.json", "{}");
  QVERIFY(inspect_model(folder, {"llava"}).why_not.find("adapter") != std::string::npos);
}

void TestFound::a_model_of_pictures_alone_needs_no_tokenizer() {
  const fs::path folder = root() / "model";
  put_model(folder, "vit");
  fs::remove(folder / "tokenizer.json");
  put(folder / "config.json", R"({"model_type": "vit", "image_size": 32, "num_channels": 3})");
  const FoundModel found = inspect_model(folder, {"vit"});
  QVERIFY2(found.loadable, found.why_not.c_str());
  // A tower within a model that reads texts needs one.
  put(folder / "config.json",
      R"({"model_type": "vit", "image_size": 32, "text_config": {"vocab_size": 9}})");
  QVERIFY(!inspect_model(folder, {"vit"}).loadable);
}

void TestFound::most_weights_say_the_dtype() {
  const fs::path folder = root() / "model";
  put_model(folder);
  const std::vector<std::uint16_t> half(1000);
  const std::vector<float> single(10);
  QVERIFY(write_safetensors(folder / "model.safetensors",
                            {{"a", DType::BF16, {1000}, std::as_bytes(std::span(half))},
                             {"b", DType::F32, {10}, std::as_bytes(std::span(single))}}));
  QCOMPARE(inspect_model(folder, {"llava"}).dtype, std::string("BF16"));
  const std::vector<std::uint8_t> packed(5000);
  QVERIFY(write_safetensors(folder / "model.safetensors",
                            {{"a", DType::U8, {5000}, std::as_bytes(std::span(packed))},
                             {"b", DType::F32, {10}, std::as_bytes(std::span(single))}}));
  const FoundModel quantized = inspect_model(folder, {"llava"});
  QVERIFY(!quantized.loadable && quantized.why_not.find("quantized") != std::string::npos);
}

void TestFound::links_are_not_followed_out() {
  put_model(root() / "outside/model");
  fs::create_directories(root() / "hub");
  // A whole repository, a snapshots folder, a snapshot, a blobs folder and a file, each a link that
  // leads out.
  fs::create_directory_symlink(root() / "outside", root() / "hub/models--org--link");
  fs::create_directories(root() / "hub/models--org--snapshots");
  fs::create_directory_symlink(root() / "outside", root() / "hub/models--org--snapshots/snapshots");
  fs::create_directories(root() / "hub/models--org--snapshot/snapshots");
  fs::create_directory_symlink(root() / "outside/model",
                               root() / "hub/models--org--snapshot/snapshots" / commit_);
  fs::create_directories(root() / "hub/models--org--file/snapshots" / commit_);
  for (const char* name :
       {"config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"})
    fs::create_symlink(root() / "outside/model" / name,
                       root() / "hub/models--org--file/snapshots" / commit_ / name);
  fs::create_directories(root() / "hub/models--org--refs/snapshots");
  fs::create_directory_symlink("/", root() / "hub/models--org--refs/refs");
  const auto models = find();
  QCOMPARE(models.size(), std::size_t(2));
  QCOMPARE(models[0].repository, std::string("org/file"));
  QVERIFY(!models[0].loadable && models[0].model_type.empty() && models[0].dtype.empty() &&
          models[0].bytes == 0);
  QVERIFY2(models[0].why_not.find("leads out") != std::string::npos, models[0].why_not.c_str());
  QCOMPARE(models[1].repository, std::string("org/link"));
  QVERIFY(!models[1].loadable &&
          models[1].why_not.find("link out of the cache") != std::string::npos);
  // A cache that is itself a link to a larger disk is followed: the user chose it.
  put_repository("models--org--good", commit_);
  fs::create_directory_symlink(root() / "hub", root() / "linked");
  QCOMPARE(find_models(root() / "linked", {}, {"llava"}).size(), std::size_t(3));
}

void TestFound::a_shared_store_of_blobs() {
  put_repository("models--org--good", commit_);
  // Newer caches keep a large blob once for all repositories, and link to it.
  const fs::path repository = root() / "hub/models--org--good";
  const fs::path blob = fs::canonical(repository / "snapshots" / commit_ / "model.safetensors");
  fs::create_directories(root() / "hub/blobs/ab");
  fs::rename(blob, root() / "hub/blobs/ab/abcdef");
  fs::create_symlink("../../blobs/ab/abcdef", blob);
  const auto models = find();
  QCOMPARE(models.size(), std::size_t(1));
  QVERIFY2(models[0].loadable, models[0].why_not.c_str());
}

void TestFound::hostile_folders() {
  const fs::path hub = root() / "hub";
  for (const char* name : {"models--", "models--..", "models--a--b--c", "models--a b",
                           "models--\xff\xfe", "models--ok--name"})
    fs::create_directories(hub / name / "snapshots" / commit_);
  put(hub / "models--file--here", "not a folder");
  const fs::path ok = hub / "models--ok--name";
  put(ok / "refs/main", QByteArray(100000, 'x'));
  put(ok / "refs/other", "../../../etc");
  fs::create_directories(ok / "refs/a/b/c/d/e/f/g");
  // A pipe, a circle and a folder where files belong.
  QCOMPARE(::mkfifo((ok / "snapshots" / commit_ / "config.json").c_str(), 0666), 0);
  fs::create_symlink("model.safetensors", ok / "snapshots" / commit_ / "model.safetensors");
  fs::create_directories(ok / "snapshots" / commit_ / "tokenizer.json");
  fs::create_directory_symlink("..", ok / "snapshots" / commit_ / "loop");
  const auto models =  // a pipe that was opened would hang here
      find({root() / "nowhere", "/dev/null", root() / "hub/models--file--here", ""});
  for (const FoundModel& model : models) QVERIFY(!model.loadable && !model.why_not.empty());
  QVERIFY(std::any_of(models.begin(), models.end(),
                      [](const FoundModel& model) { return model.repository == "ok/name"; }));
  fs::remove_all(hub / "models--\xff\xfe");  // Qt could not clear it away
  // The same pipes beside good weights.
  put_model(root() / "pipes");
  fs::remove(root() / "pipes/model.safetensors");
  QCOMPARE(::mkfifo((root() / "pipes/model.safetensors").c_str(), 0666), 0);
  QVERIFY(!inspect_model(root() / "pipes", {"llava"}).loadable);
  QVERIFY(find_models("/dev/null", {}, {"llava"}).empty());
  QVERIFY(find_models("", {}, {"llava"}).empty());
}

void TestFound::folders_one_level_down() {
  put_model(root() / "mine/one");
  put_model(root() / "mine/two", "bert");
  fs::create_directories(root() / "mine/empty");
  put_model(root() / "alone");
  const auto models = find({root() / "mine", (root() / "alone").string() + "/", root() / "alone",
                            root() / "mine/empty"});
  QCOMPARE(models.size(), std::size_t(4));
  QCOMPARE(models[0].folder, root() / "alone");
  QCOMPARE(models[1].folder, root() / "mine/one");
  QVERIFY(models[0].loadable && models[1].loadable && !models[2].loadable && !models[3].loadable);
  QCOMPARE(models[0].place, FoundIn::Folder);
  int asked = 0;
  find_models(root() / "hub", {root() / "mine", root() / "alone"}, {"llava"},
              [&] { return ++asked < 2; });  // ends when told
  QVERIFY(asked <= 3);
}

void TestFound::many_are_listed_fast() {
  const auto look = [&] { return find().size(); };
  const auto put = [&](int first, int end) {
    for (int i = first; i < end; ++i) {
      put_repository("models--org--m" + std::to_string(i), commit_);
    }
  };
  put(0, 4);
  const double few = luthier::test::least_milliseconds(look);
  put(4, 256);
  QCOMPARE(look(), std::size_t(256));
  const double many = luthier::test::least_milliseconds(look);
  QVERIFY2(many < few * luthier::test::kEven,
           qPrintable(QString("4 repositories in %1 ms, 256 in %2 ms").arg(few).arg(many)));
}

QTEST_GUILESS_MAIN(TestFound)
#include "test_found.moc"
