"""The words of the pages in Bahasa Indonesia and English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LANGUAGES: Final = ("id", "en")

#: key -> (Bahasa Indonesia, English)
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "institution": ("Balai Pelatihan Contoh", "Contoh Training Centre"),
    "fiction": (
        "Lembaga ini rekaan. LMS Sandbox dipakai untuk mencoba peluncuran LTI 1.3 dan pelaporan xAPI.",
        "This institution is fictional. LMS Sandbox is for trying LTI 1.3 launches and xAPI reports.",
    ),
    "skip": ("Langsung ke isi", "Skip to content"),
    "learner": ("Peserta", "Learner"),
    "anonymous": ("Peserta tanpa nama", "Learner without a name"),
    "from": ("Datang dari", "Coming from"),
    "lessons": ("Materi", "Lessons"),
    "lesson_of": ("Materi {number} dari {total}", "Lesson {number} of {total}"),
    "minutes": ("{count} menit", "{count} minutes"),
    "read": ("Sudah dibaca", "Read"),
    "unread": ("Belum dibaca", "Not read yet"),
    "progress": ("{read} dari {total} materi dibaca", "{read} of {total} lessons read"),
    "start": ("Mulai belajar", "Start learning"),
    "continue": ("Lanjutkan", "Continue"),
    "next_lesson": ("Materi berikutnya", "Next lesson"),
    "back": ("Kembali ke pelatihan", "Back to the course"),
    "questions": ("{count} pertanyaan", "{count} questions"),
    "quiz": ("Uji pemahaman", "Check your understanding"),
    "quiz_intro": (
        "Nilai kelulusan {mark}. Jawab semua pertanyaan, lalu kirim.",
        "The pass mark is {mark}. Answer every question, then submit.",
    ),
    "to_quiz": ("Ke uji pemahaman", "Go to the quiz"),
    "submit": ("Kirim jawaban", "Submit answers"),
    "complete": ("Selesaikan pelatihan", "Complete the course"),
    "no_lessons": (
        "Pelatihan ini tidak membawa materi di sini. Tekan tombol untuk menyatakannya selesai.",
        "This course has no lessons here. Press the button to complete it.",
    ),
    "tester": ("Panel penguji", "Tester's panel"),
    "tester_intro": (
        "Selesaikan seketika dengan nilai dan waktu belajar pilihan Anda, bila perlu dengan gangguan.",
        "Complete at once with a score and learning time of your choice, with faults if you like.",
    ),
    "score": ("Nilai (0–100)", "Score (0–100)"),
    "time_spent": ("Waktu belajar (menit)", "Time spent (minutes)"),
    "complete_now": ("Selesaikan sekarang", "Complete now"),
    "result": ("Hasil Anda", "Your result"),
    "passed": ("Lulus", "Passed"),
    "failed": ("Belum lulus", "Not passed"),
    "result_line": (
        "Nilai {score}, batas lulus {mark}, waktu belajar {minutes} menit.",
        "Score {score}, pass mark {mark}, {minutes} minutes of learning.",
    ),
    "return": ("Kembali ke portal", "Back to the portal"),
    "reports": ("Laporan ke hub", "Reports to the hub"),
    "reports_intro": (
        "Setiap permintaan yang kami kirim dan jawaban yang kami terima. Token disamarkan.",
        "Each request that we sent and the answer that we got. Tokens are blanked.",
    ),
    "kind_score": ("Nilai (AGS)", "Score (AGS)"),
    "kind_initialized": ("Pernyataan xAPI: mulai", "xAPI statement: initialized"),
    "kind_finished": ("Pernyataan xAPI: selesai", "xAPI statements: finished"),
    "status_waiting": ("Menunggu", "Waiting"),
    "status_held": ("Ditahan", "Held back"),
    "status_acknowledged": ("Diterima hub", "Accepted by the hub"),
    "status_refused": ("Ditolak", "Refused"),
    "attempts": ("{count} kali dikirim", "sent {count} times"),
    "retry": ("Kirim ulang", "Send again"),
    "retry_clean": ("Kirim ulang tanpa gangguan", "Send again without faults"),
    "release": ("Lepaskan", "Release"),
    "sent": ("Yang dikirim", "What was sent"),
    "answer": ("Jawaban", "Answer"),
    "no_answer": ("tanpa jawaban", "no answer"),
    "nothing_sent": ("Belum ada yang dikirim.", "Nothing was sent yet."),
    "nothing_owed": (
        "Peluncuran ini tidak memberi layanan nilai maupun xAPI, jadi tidak ada yang dilaporkan.",
        "This launch gave neither a score service nor xAPI, so there is nothing to report.",
    ),
    "claims": ("Isi id_token", "Claims of the id_token"),
    "faults": ("Gangguan", "Faults"),
    "faults_intro": (
        "Berlaku bagi semua peluncuran baru dan semua pelatihan yang diselesaikan mulai sekarang.",
        "They hold for each new launch and each course completed from now on.",
    ),
    "faults_save": ("Simpan gangguan", "Save faults"),
    "faults_active": ("Gangguan aktif: {names}", "Active faults: {names}"),
    "fault_late": ("Terlambat: ditahan sampai dilepaskan", "Late: held back until released"),
    "fault_duplicate": (
        "Ganda: nilai dan pernyataan dikirim dua kali, lalu sekali lagi dengan id lain",
        "Duplicate: score and statements are sent twice, and the statements again with other ids",
    ),
    "fault_refused": (
        "Nilai salah: tanpa scoreMaximum, skala di luar batas",
        "Bad score: without scoreMaximum, scaled out of range",
    ),
    "fault_wrong_key": (
        "Kunci salah: client assertion ditandatangani kunci lain",
        "Wrong key: the client assertion is signed with another key",
    ),
    "fault_wrong_user": ("Nilai untuk orang lain", "A score for somebody else"),
    "fault_wrong_actor": ("Pernyataan tentang orang lain", "Statements about somebody else"),
    "fault_wrong_registration": ("Registrasi xAPI yang salah", "A wrong xAPI registration"),
    "fault_replayed_fetch": ("URL fetch dipakai dua kali", "The fetch URL is used twice"),
    "fault_garbage": ("Isi terpotong, bukan JSON", "A body cut in half, not JSON"),
    "home_lead": (
        "Pelatihan singkat untuk aparatur, dibuka dari portal lembaga Anda.",
        "Short courses for civil servants, opened from your institution's portal.",
    ),
    "courses": ("Pelatihan kami", "Our courses"),
    "parameter": ("Parameter custom", "Custom parameter"),
    "pick": ("Pilih pelatihan", "Choose courses"),
    "pick_intro": (
        "Pelatihan yang Anda pilih masuk ke katalog portal Anda.",
        "The courses that you choose go into your portal's catalogue.",
    ),
    "choose": ("Pilih", "Choose"),
    "picked": ("{count} pelatihan dipilih.", "{count} courses chosen."),
    "send_back": ("Kirim ke portal", "Send to the portal"),
    "registered": ("Terdaftar", "Registered"),
    "registered_what": (
        "LMS Sandbox terdaftar di {issuer}. Setujui di sana bila diminta; jendela ini boleh ditutup.",
        "LMS Sandbox is registered at {issuer}. Approve it there if you are asked; this window may be closed.",
    ),
    "registration_url": ("URL registrasi dinamis", "Dynamic registration URL"),
    "connect": ("Sambungkan", "Connect"),
    "connect_intro": (
        "Daftarkan alamat ini di hub, lalu simpan JSON yang dicetaknya ke berkas di bawah.",
        "Register these addresses at the hub, then save the JSON that it prints in the file below.",
    ),
    "login_url": ("URL login", "Login URL"),
    "redirect_uri": ("Redirect URI", "Redirect URI"),
    "jwks_url": ("URL JWKS", "JWKS URL"),
    "target_link_uri": ("Target link URI", "Target link URI"),
    "file": ("Berkas registrasi", "Registration file"),
    "platforms": ("Platform terdaftar", "Registered platforms"),
    "no_platforms": ("Belum ada platform terdaftar.", "No platform is registered yet."),
    "launches": ("Peluncuran terakhir", "Latest launches"),
    "no_launches": ("Belum ada peluncuran.", "No launches yet."),
    "home": ("Beranda", "Home"),
    "when": ("Waktu", "Time"),
    "course": ("Pelatihan", "Course"),
    "state": ("Keadaan", "State"),
    "finished": ("Selesai", "Finished"),
    "open": ("Berjalan", "In progress"),
    "error_title": ("Peluncuran tidak dapat dibuka", "The launch could not be opened"),
    "error_what": (
        "Kembali ke portal lembaga Anda dan buka pelatihan sekali lagi. Bila tetap gagal, kirim keterangan ini ke"
        " pengelola portal.",
        "Go back to your institution's portal and open the course again. If it fails again, send this to the"
        " portal's administrator.",
    ),
    "error_cookie": (
        "Peramban tidak mengirim kuki kami. Bukalah portal dan LMS dengan nama host yang sama, misalnya keduanya"
        " 127.0.0.1, bukan satu localhost.",
        "The browser did not send our cookie. Open the portal and this LMS under the same host name, such as"
        " 127.0.0.1 for both, not localhost for one.",
    ),
    "check": ("Pemeriksaan", "Check"),
    "reason": ("Alasan", "Reason"),
    "not_found": ("Halaman ini tidak ada.", "There is no such page."),
    "forbidden": (
        "Halaman ini milik peramban yang membuka pelatihan. Buka lagi dari portal lembaga Anda.",
        "This page belongs to the browser that opened the course. Open it again from your institution's portal.",
    ),
    "admin_only": (
        "Halaman pengelola hanya dijawab untuk permintaan dari mesin ini sendiri.",
        "Administrators' pages answer requests from this machine only.",
    ),
}


def translator(language: str) -> Callable[..., str]:
    """A function that gives a text by its key in that language, with its ``{names}`` filled in."""
    index = LANGUAGES.index(language)

    def translate(key: str, **values: object) -> str:
        return TEXTS[key][index].format(**values)

    return translate
