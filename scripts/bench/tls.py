"""A certificate authority and a certificate for 127.0.0.1, made by openssl for one run."""
import subprocess


def make(place):
    run = lambda *arguments: subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=place.folder)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-days", 7, "-subj", "/CN=bench CA")
    run("req", *new, "-keyout", place.key, "-out", "tls.csr", "-subj", "/CN=bench")
    (place.folder / "tls.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    run("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 7, "-extfile", "tls.ext",
        "-out", place.certificate)
    place.pem.write_text(place.certificate.read_text() + place.key.read_text())
