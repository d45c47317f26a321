// SPDX-License-Identifier: GPL-3.0-or-later
// hub_server.py as a fixture: a hub on this machine with repositories that a test fills and faults
// that it sets. And a cache of its own, named by the variables that huggingface_hub reads.
#pragma once

#include <QtTest>

#include "engine/hub/places.h"
#include "engine/io/safetensors.h"
#include "tests/patience.h"

namespace luthier::test {

class LocalHub {
 public:
  LocalHub() {
    root = folder.filePath(QStringLiteral("hub"));
    QDir().mkpath(root);
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
          "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"})
      qunsetenv(name);
    qputenv("HF_HOME", folder.filePath(QStringLiteral("home")).toUtf8());
    qputenv("http_proxy",
            "http://127.0.0.1:1");  // a proxy is never asked for what is on this machine
    server_.start(QStringLiteral("/usr/bin/python3"),
                  {QStringLiteral(LUTHIER_SOURCE_DIR "/tests/hub/hub_server.py"), root});
    while (!server_.canReadLine())
      if (!server_.waitForReadyRead(kHang))
        qFatal("the test's hub does not start: %s", qPrintable(server_.readAllStandardError()));
    const QList<QByteArray> ports = server_.readLine().trimmed().split(' ');
    port = ports.value(0).toInt();
    other_port = ports.value(1).toInt();
    qputenv("HF_ENDPOINT", QByteArray("http://localhost:") + ports.value(0));
  }
  ~LocalHub() {
    server_.kill();  // it has nothing to put in order
    server_.waitForFinished(kHang);
  }

  void put(const QString& repository, const QString& name, const QByteArray& bytes) const {
    const QString path = root + QLatin1Char('/') + repository + QLatin1Char('/') + name;
    QDir().mkpath(QFileInfo(path).path());
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
      qFatal("%s cannot be written", qPrintable(path));
  }
  /// config.json, tokenizer.json, preprocessor_config.json and one safetensors file of `elements`
  /// floats.
  void put_model(const QString& repository, std::int64_t elements = 100'000,
                 const QByteArray& model_type = "llava") const {
    put(repository, QStringLiteral("config.json"), "{\"model_type\": \"" + model_type + "\"}");
    put(repository, QStringLiteral("tokenizer.json"), "{}");
    put(repository, QStringLiteral("preprocessor_config.json"), "{}");
    put(repository, QStringLiteral("README.md"), "not fetched");
    put(repository, QStringLiteral("pytorch_model.bin"), "not fetched");
    put(repository, QStringLiteral("model.safetensors"), weights(elements));
  }
  static QByteArray weights(std::int64_t elements) {
    QTemporaryDir place;
    std::vector<float> values(static_cast<std::size_t>(elements));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(i % 1009) * 0.25f;
    const std::filesystem::path path =
        place.filePath(QStringLiteral("w.safetensors")).toStdString();
    if (!write_safetensors(path, {{"w", DType::F32, {elements}, std::as_bytes(std::span(values))}}))
      qFatal("no weights");
    QFile file(QString::fromStdString(path.string()));
    if (!file.open(QIODevice::ReadOnly)) qFatal("no weights");
    return file.readAll();
  }
  /// The faults of one repository, in place of those it had.
  void set_faults(const QString& repository, const QJsonObject& faults) {
    faults_[repository] = faults;
    QSaveFile file(root + QStringLiteral("/faults.json"));
    if (!file.open(QIODevice::WriteOnly) || file.write(QJsonDocument(faults_).toJson()) < 0 ||
        !file.commit())
      qFatal("faults.json cannot be written");
  }
  QString cache() const { return folder.filePath(QStringLiteral("home/hub")); }

  QTemporaryDir folder;
  QString root;
  int port = 0, other_port = 0;

 private:
  QProcess server_;
  QJsonObject faults_;
};

inline constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

}  // namespace luthier::test
